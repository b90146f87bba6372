// Calls of the C library that fail on demand: this program's own definitions stand in front of the library's, for every
// library that is loaded.
#pragma once

namespace quadlane::testing {

enum class Fault { none, allocation, mapping, protection, thread, file };

// The n-th call of this kind fails (n from 1), once, counted while some InLibrary lives: the test's own calls do not.
void arm(Fault, long n);
struct InLibrary {
  InLibrary();
  ~InLibrary();
};
// No more; whether a call failed.
bool disarm();
// Blocks that are allocated now. Under a sanitizer, which brings its own malloc, only what C++ allocates is counted and fails.
long live_blocks();

}  // namespace quadlane::testing
