// Counts calls of operator new in a scope. Linking allocations.cc replaces the allocation functions of the program.
#pragma once

namespace quadlane::testing {

class CountAllocations {
 public:
  CountAllocations();
  ~CountAllocations();
  long count() const;  // so far, of all threads
};

}  // namespace quadlane::testing
