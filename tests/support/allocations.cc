#include "tests/support/allocations.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {
std::atomic<long> g_allocations{0};
std::atomic<bool> g_counting{false};
}  // namespace

namespace {
// Not inlined, so that the compiler cannot pair malloc here with a delete elsewhere.
__attribute__((noinline)) void* counted(size_t bytes, size_t alignment) {
  if (g_counting.load(std::memory_order_relaxed)) g_allocations.fetch_add(1, std::memory_order_relaxed);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) & -alignment);
}
void* counted_or_thrown(size_t bytes, size_t alignment) {
  if (void* p = counted(bytes ? bytes : 1, alignment)) return p;
  throw std::bad_alloc();
}
__attribute__((noinline)) void give_back(void* p) { std::free(p); }
constexpr size_t kUsual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
}  // namespace

// All forms, since a sanitizer pairs each with its own.
void* operator new(size_t bytes) { return counted_or_thrown(bytes, kUsual); }
void* operator new(size_t bytes, std::align_val_t a) { return counted_or_thrown(bytes, static_cast<size_t>(a)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return counted(bytes ? bytes : 1, kUsual); }
void operator delete(void* p) noexcept { give_back(p); }
void operator delete(void* p, size_t) noexcept { give_back(p); }
void operator delete(void* p, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, size_t, std::align_val_t) noexcept { give_back(p); }
void operator delete(void* p, const std::nothrow_t&) noexcept { give_back(p); }

namespace quadlane::testing {

CountAllocations::CountAllocations() {
  g_allocations = 0;
  g_counting = true;
}
CountAllocations::~CountAllocations() { g_counting = false; }
long CountAllocations::count() const { return g_allocations.load(); }

}  // namespace quadlane::testing
