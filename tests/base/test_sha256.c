/* SHA-256 against the examples of FIPS 180-4 (NIST, "Examples with Intermediate Values"), and its two block functions
 * against each other. */
#include "base/random.h"
#include "base/sha256.h"
#include "base/sha256_blocks.h"
#include "suite.h"

static const char *hash(const void *data, size_t n, size_t step) {
  static char hex[65];
  recsys__sha256 sha;
  const char *bytes = data;
  recsys__sha256_init(&sha);
  for (size_t i = 0; i < n; i += step) {
    recsys__sha256_update(&sha, bytes + i, n - i < step ? n - i : step);
  }
  recsys__sha256_hex(&sha, hex);
  return hex;
}

static const char *const messages[][2] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
     "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"}};

START_TEST(equals_the_standard_s_examples) {
  for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
    size_t n = strlen(messages[i][0]);
    ck_assert_str_eq(hash(messages[i][0], n, n > 0 ? n : 1), messages[i][1]);
    ck_assert_str_eq(hash(messages[i][0], n, 1), messages[i][1]);
    ck_assert_str_eq(hash(messages[i][0], n, 7), messages[i][1]);
  }
}
END_TEST

START_TEST(a_million_a) {
  char *data = malloc(1000000);
  memset(data, 'a', 1000000);
  const char *expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
  ck_assert_str_eq(hash(data, 1000000, 1000000), expected);
  ck_assert_str_eq(hash(data, 1000000, 63), expected);
  ck_assert_str_eq(hash(data, 1000000, 65), expected);
  free(data);
}
END_TEST

/* Lengths around the padding's edges; expected: hashlib.sha256(b"x" * n).hexdigest(). */
START_TEST(every_padding) {
  static const struct {
    size_t n;
    const char *hex;
  } expected[] = {{1, "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"},
                  {54, "45f316e10b2c99abf374b22bda893cf3300d77263f1e272349ed414680522952"},
                  {55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072"},
                  {56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e"},
                  {57, "ae14a2563ccf969d99aca69ce6bb74981f734bbf9f655f73b8f06db68cab5217"},
                  {63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2"},
                  {64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c"},
                  {65, "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9"},
                  {119, "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c"},
                  {120, "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98"},
                  {127, "70156a14adbabf98cff3a71c7084b417abf057a8efd27329ca36b7202c87d81f"},
                  {128, "24da1b81d0b16df6428eee73c69fcb2a93c76bc6df706f0c6670fe6bfe800464"},
                  {200, "aa20c23e3201834050679e1d88941b9a6fed0557c9a705cb2c315e2e63fd486d"}};
  char data[200];
  memset(data, 'x', sizeof data);
  for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
    ck_assert_str_eq(hash(data, expected[i].n, 200), expected[i].hex);
  }
}
END_TEST

START_TEST(block_functions_agree) {
  uint8_t data[64 * 9 + 1];
  uint32_t plain[8], fast[8];
  recsys__random random;
  recsys__random_seed(&random, 1, 1);
  if (!recsys__sha256_has_instructions()) {
    printf("skipped: no SHA instructions here\n");
    return;
  }
  for (int round = 0; round < 200; round++) {
    for (size_t i = 0; i < sizeof data; i++) {
      data[i] = (uint8_t)recsys__random_u32(&random);
    }
    for (int i = 0; i < 8; i++) {
      plain[i] = fast[i] = recsys__random_u32(&random);
    }
    size_t n = (size_t)round % 10;
    recsys__sha256_blocks_plain(plain, data + round % 2, n);
    recsys__sha256_blocks_fast(fast, data + round % 2, n);
    ck_assert_mem_eq(plain, fast, sizeof plain);
  }
}
END_TEST

int main(void) {
  const TTest *const tests[] = {equals_the_standard_s_examples, a_million_a, every_padding, block_functions_agree};
  return run_suite("sha256", tests, sizeof tests / sizeof tests[0]);
}
