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

void* counted(void* block) {
  if (block) live.fetch_add(1, std::memory_order_relaxed);
  return block;
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

#ifndef QL_SANITIZED
void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);
void __libc_free(void*);

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

#define FAIL_FILE_CALL(name, error, ...)             \
  static auto* next = REAL(name);                    \
  if (!fails(Fault::file)) return next(__VA_ARGS__); \
  errno = error

// What an open call has behind its flags: a mode, where it creates.
static mode_t mode_of(int flags, va_list more) { return flags & O_CREAT ? va_arg(more, mode_t) : 0; }

int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  FAIL_FILE_CALL(open, EMFILE, path, flags, mode);
  return -1;
}
int openat(int folder, const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  FAIL_FILE_CALL(openat, EMFILE, folder, path, flags, mode);
  return -1;
}
FILE* fopen(const char* path, const char* mode) {
  FAIL_FILE_CALL(fopen, EMFILE, path, mode);
  return nullptr;
}
FILE* fopen64(const char* path, const char* mode) {  // the standard library's streams
  FAIL_FILE_CALL(fopen64, EMFILE, path, mode);
  return nullptr;
}
FILE* fdopen(int file, const char* mode) noexcept {
  FAIL_FILE_CALL(fdopen, ENOMEM, file, mode);
  return nullptr;
}
size_t fread(void* to, size_t size, size_t count, FILE* file) {
  FAIL_FILE_CALL(fread, EIO, to, size, count, file);
  return 0;
}
ssize_t read(int file, void* to, size_t bytes) {
  FAIL_FILE_CALL(read, EIO, file, to, bytes);
  return -1;
}
ssize_t pread(int file, void* to, size_t bytes, off_t offset) {
  FAIL_FILE_CALL(pread, EIO, file, to, bytes, offset);
  return -1;
}
ssize_t write(int file, const void* from, size_t bytes) {
  FAIL_FILE_CALL(write, ENOSPC, file, from, bytes);
  return -1;
}
int stat(const char* path, struct stat* about) noexcept {
  FAIL_FILE_CALL(stat, EIO, path, about);
  return -1;
}
int fstat(int file, struct stat* about) noexcept {
  FAIL_FILE_CALL(fstat, EIO, file, about);
  return -1;
}
int fsync(int file) {
  FAIL_FILE_CALL(fsync, EIO, file);
  return -1;
}
int ftruncate(int file, off_t bytes) noexcept {
  FAIL_FILE_CALL(ftruncate, ENOSPC, file, bytes);
  return -1;
}
int rename(const char* from, const char* to) noexcept {
  FAIL_FILE_CALL(rename, EACCES, from, to);
  return -1;
}
int mkostemp(char* name, int flags) {
  FAIL_FILE_CALL(mkostemp, ENOSPC, name, flags);
  return -1;
}
int mkstemp(char* name) {
  FAIL_FILE_CALL(mkstemp, ENOSPC, name);
  return -1;
}
int memfd_create(const char* name, unsigned flags) noexcept {
  FAIL_FILE_CALL(memfd_create, EMFILE, name, flags);
  return -1;
}

}  // extern "C"

#ifdef QL_SANITIZED  // the sanitizer brings its own malloc: what C++ allocates fails
#include <new>

namespace {
void* taken(size_t bytes, size_t alignment) {
  void* block =
      fails(Fault::allocation) ? nullptr : std::aligned_alloc(alignment, (bytes + alignment - 1) & -alignment);
  return counted(block);
}
void* taken_or_thrown(size_t bytes, size_t alignment) {
  if (void* block = taken(bytes ? bytes : 1, alignment)) return block;
  throw std::bad_alloc();
}
void given(void* block) {
  if (block) live.fetch_sub(1, std::memory_order_relaxed);
  std::free(block);
}
constexpr size_t kUsual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
}  // namespace

void* operator new(size_t n) { return taken_or_thrown(n, kUsual); }
void* operator new(size_t n, std::align_val_t a) { return taken_or_thrown(n, size_t(a)); }
void* operator new(size_t n, const std::nothrow_t&) noexcept { return taken(n ? n : 1, kUsual); }
void operator delete(void* block) noexcept { given(block); }
void operator delete(void* block, size_t) noexcept { given(block); }
void operator delete(void* block, std::align_val_t) noexcept { given(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { given(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { given(block); }
#endif
