#include "tests/faults/shim.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace {

using quadlane::testing::Fault;

std::atomic<Fault> armed{Fault::none};
std::atomic<long> left{0}, live{0};
std::atomic<bool> struck{false}, in_library{false};

bool fails(Fault kind) {
  if (!in_library.load(std::memory_order_relaxed) || armed.load(std::memory_order_relaxed) != kind) return false;
  if (left.fetch_sub(1) != 1) return false;
  struck = true;
  return true;
}

template <class F>
F* real(const char* name, F*) {
  return reinterpret_cast<F*>(dlsym(RTLD_NEXT, name));
}
#define REAL(name) real(#name, &::name)

}  // namespace

namespace quadlane::testing {

void arm(Fault kind, long n) {
  struck = false, left = n;
  armed = kind;
}
bool disarm() {
  armed = Fault::none;
  return struck;
}
long live_blocks() { return live; }
InLibrary::InLibrary() { in_library = true; }
InLibrary::~InLibrary() { in_library = false; }

}  // namespace quadlane::testing

extern "C" {

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
bool ql_shim_allocates = true;
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

static void* counted(void* block) {
  if (block) live.fetch_add(1, std::memory_order_relaxed);
  return block;
}
static void* none() {
  errno = ENOMEM;
  return nullptr;
}
void* malloc(size_t n) { return fails(Fault::allocation) ? none() : counted(__libc_malloc(n)); }
void* calloc(size_t n, size_t m) { return fails(Fault::allocation) ? none() : counted(__libc_calloc(n, m)); }
void* memalign(size_t a, size_t n) { return fails(Fault::allocation) ? none() : counted(__libc_memalign(a, n)); }
void* aligned_alloc(size_t a, size_t n) { return memalign(a, n); }
int posix_memalign(void** to, size_t a, size_t n) {
  void* block = memalign(a, n);
  if (!block) return ENOMEM;
  *to = block;
  return 0;
}
void* realloc(void* old, size_t n) {
  if (!old) return malloc(n);
  return fails(Fault::allocation) ? none() : __libc_realloc(old, n);
}
void free(void* block) {
  if (block) live.fetch_sub(1, std::memory_order_relaxed);
  __libc_free(block);
}
#else
bool ql_shim_allocates = false;
#endif

void* mmap(void* at, size_t bytes, int protection, int flags, int file, off_t offset) {
  static auto* next = REAL(mmap);
  if (!fails(Fault::mapping)) return next(at, bytes, protection, flags, file, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}
int mprotect(void* at, size_t bytes, int protection) noexcept {
  static auto* next = REAL(mprotect);
  if (!fails(Fault::protection)) return next(at, bytes, protection);
  errno = EACCES;
  return -1;
}
int pthread_create(pthread_t* thread, const pthread_attr_t* how, void* (*body)(void*), void* user) noexcept {
  static auto* next = REAL(pthread_create);
  return fails(Fault::thread) ? EAGAIN : next(thread, how, body, user);
}

int open(const char* path, int flags, ...) {
  static auto* next = REAL(open);
  va_list more;
  va_start(more, flags);
  const mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
  va_end(more);
  if (!fails(Fault::file)) return next(path, flags, mode);
  errno = EMFILE;
  return -1;
}
ssize_t read(int file, void* to, size_t bytes) {
  static auto* next = REAL(read);
  if (!fails(Fault::file)) return next(file, to, bytes);
  errno = EIO;
  return -1;
}
ssize_t write(int file, const void* from, size_t bytes) {
  static auto* next = REAL(write);
  if (!fails(Fault::file)) return next(file, from, bytes);
  errno = ENOSPC;
  return -1;
}
int fstat(int file, struct stat* about) noexcept {
  static auto* next = REAL(fstat);
  if (!fails(Fault::file)) return next(file, about);
  errno = EIO;
  return -1;
}
int fsync(int file) {
  static auto* next = REAL(fsync);
  if (!fails(Fault::file)) return next(file);
  errno = EIO;
  return -1;
}
int ftruncate(int file, off_t bytes) noexcept {
  static auto* next = REAL(ftruncate);
  if (!fails(Fault::file)) return next(file, bytes);
  errno = ENOSPC;
  return -1;
}
int rename(const char* from, const char* to) noexcept {
  static auto* next = REAL(rename);
  if (!fails(Fault::file)) return next(from, to);
  errno = EACCES;
  return -1;
}
int mkostemp(char* name, int flags) {
  static auto* next = REAL(mkostemp);
  if (!fails(Fault::file)) return next(name, flags);
  errno = ENOSPC;
  return -1;
}
int memfd_create(const char* name, unsigned flags) noexcept {
  static auto* next = REAL(memfd_create);
  if (!fails(Fault::file)) return next(name, flags);
  errno = EMFILE;
  return -1;
}

}  // extern "C"

namespace quadlane::testing {
bool allocations_can_fail() { return ql_shim_allocates; }
}  // namespace quadlane::testing
