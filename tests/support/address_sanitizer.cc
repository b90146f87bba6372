// What every program built with AddressSanitizer is linked with. It ends a program that opens a library with RTLD_DEEPBIND, as
// oneTBB opens its binding library: the same library without it.
#include <dlfcn.h>

extern "C" void* dlopen(const char* file, int flags) {
  static const auto next = reinterpret_cast<decltype(&dlopen)>(dlsym(RTLD_NEXT, "dlopen"));
  return next(file, flags & ~RTLD_DEEPBIND);
}

// Leaks of another's library that tests compare with.
extern "C" const char* __lsan_default_suppressions() { return "leak:libonnxruntime.so"; }
