/* A file that calls itself libtorch, for the tests that look for a second one. */
__attribute__((visibility("default"))) int fake_torch_version(void);
int fake_torch_version(void) {
  return FAKE_TORCH_VERSION;
}
