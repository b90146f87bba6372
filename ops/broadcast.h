// Multidirectional broadcasting (numpy's rule), as a loop over runs: stretches of the output in which every input
// either walks along or stands still.
#pragma once

#include "graph/op_table.h"

namespace quadlane {

// An extent of 1, or an absent one, takes the other's; anything else must be equal.
Result<Shape> broadcast_shape(const Shape& a, const Shape& b);
// Of all present inputs.
Result<Shape> broadcast_shape(const OpContext&);

// n elements of the output; element i of input k is src[k][step[k] * i], step 0 or 1.
struct Run {
  const void* src[3];
  int64_t step[3];
  void* dst;
  int64_t n;

  template <class T>
  const T* in(int k) const {
    return static_cast<const T*>(src[k]);
  }
  template <class T>
  T* out() const {
    return static_cast<T*>(dst);
  }
};
using RunFn = void (*)(const Run&);

// Calls fn for every run of the output. At most 3 inputs, whose shapes broadcast to the output's. An input may be the
// output itself.
void for_each_run(std::span<const View> inputs, const MutView& output, RunFn fn);

}  // namespace quadlane
