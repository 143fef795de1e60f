/* Random numbers against make_expected.py, which states PCG32 in Python; the first line is the reference's own demo. */
#include "base/random.h"
#include "suite.h"

START_TEST(equals_the_reference) {
  static const uint32_t demo[6] = {0xa15c02b7, 0x7b47f409, 0xba1d3330, 0x83d2f293, 0xbfa4784b, 0xcbed606e};
  recsys__random random;
  recsys__random_seed(&random, 42, 54);
  for (int i = 0; i < 6; i++) {
    ck_assert_uint_eq(recsys__random_u32(&random), demo[i]);
  }
  static const uint32_t extreme[3] = {0x0, 0xe4c14788, 0x379c6516};
  recsys__random_seed(&random, UINT64_MAX, UINT64_C(1) << 63);
  for (int i = 0; i < 3; i++) {
    ck_assert_uint_eq(recsys__random_u32(&random), extreme[i]);
  }
}
END_TEST

START_TEST(units_have_53_bits) {
  static const double expected[3] = {0x1.081b3384b1d5fp-1, 0x1.d206d0fd0988ap-2, 0x1.af369a34c5966p-2};
  recsys__random random;
  recsys__random_seed(&random, 7, 1);
  for (int i = 0; i < 3; i++) {
    ck_assert_double_eq(recsys__random_unit(&random), expected[i]);
  }
  double sum = 0;
  for (int i = 0; i < 100000; i++) {
    double x = recsys__random_unit(&random);
    ck_assert(x >= 0 && x < 1);
    sum += x;
  }
  /* The mean of n uniform numbers has deviation 1 / sqrt(12 n) = 0.0009: 5 of them. */
  ck_assert_double_eq_tol(sum / 100000, 0.5, 0.0046);
}
END_TEST

START_TEST(below_is_bounded_and_even) {
  /* By 3,000,000,000 nearly every third value is refused. */
  static const uint32_t expected[12] = {2u,         483u,       2583008270u, 2488280901u, 1858613921u, 90381401u,
                                        724338146u, 176169977u, 2384305164u, 816866814u,  1346474905u, 1166295217u};
  recsys__random random;
  recsys__random_seed(&random, 7, 2);
  for (int i = 0; i < 12; i++) {
    uint32_t bound = i == 0 ? 6 : i == 1 ? 1000 : 3000000000u;
    ck_assert_uint_eq(recsys__random_below(&random, bound), expected[i]);
  }
  ck_assert_uint_eq(recsys__random_below(&random, 0), 0);
  ck_assert_uint_eq(recsys__random_below(&random, 1), 0);
  int counts[6] = {0};
  for (int i = 0; i < 60000; i++) {
    counts[recsys__random_below(&random, 6)]++;
  }
  for (int i = 0; i < 6; i++) {
    ck_assert_int_ge(counts[i], 9500); /* 10,000, deviation 91 */
    ck_assert_int_le(counts[i], 10500);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {equals_the_reference, units_have_53_bits, below_is_bounded_and_even};
  return run_suite("random", tests, sizeof tests / sizeof tests[0]);
}
