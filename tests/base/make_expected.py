"""Prints the numbers of test_random.c: PCG32 as O'Neill's paper writes it (HMC-CS-2014-0905, section 6.3 and the
reference pcg_basic.c), here in Python's integers. Run: python3 make_expected.py"""
M = 2**64 - 1


class Pcg32:
    def __init__(self, seed, stream):
        self.inc = (stream << 1 | 1) & M
        self.state = 0
        self.next()
        self.state = (self.state + seed) & M
        self.next()

    def next(self):
        old = self.state
        self.state = (old * 6364136223846793005 + self.inc) & M
        x = (((old >> 18) ^ old) >> 27) & 0xFFFFFFFF
        r = old >> 59
        return (x >> r | x << (32 - r)) & 0xFFFFFFFF

    def unit(self):
        high = self.next() >> 5
        return (high * 2**26 + (self.next() >> 6)) / 2**53

    def below(self, n):
        while True:
            x = self.next()
            if x >= 2**32 % n:
                return x % n


g = Pcg32(42, 54)
print("u32 of (42, 54):", [hex(g.next()) for _ in range(6)])
g = Pcg32(2**64 - 1, 2**63)
print("u32 of (2^64 - 1, 2^63):", [hex(g.next()) for _ in range(3)])
g = Pcg32(7, 1)
print("unit of (7, 1):", [g.unit().hex() for _ in range(3)])
g = Pcg32(7, 2)
bounds = (6, 1000) + (3000000000,) * 10  # nearly every third value is refused by the last one
print("below 6, 1000, ten times 3000000000 of (7, 2):", [g.below(n) for n in bounds])
