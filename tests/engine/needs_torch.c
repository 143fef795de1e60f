/* Makes an engine need the fake libtorch, as the torch engine needs the real one. */
int fake_torch_version(void);
int fake_needs_torch(void);
int fake_needs_torch(void) {
  return fake_torch_version();
}
