// What a resample kernel does in one step of a row, apart from how it walks planes and rows.
#pragma once

#include <memory>

#include "jit/kernels/resample.h"

namespace quadlane {

// The walk's registers.
struct ResampleRegisters {
  const Gp &first, &second;  // the two source rows' pixel 0
  const Gp& entry;           // ResampleRow of the result row
  const Gp& dst;             // the result row's pixel 0
  const Gp &x_src, &x_dst;   // byte offsets of the step; x_src moves by half of x_dst in 2x kernels and else not
  const Gp& columns;         // of the step; table kernels only
  const Vec& pad;
};

class ResampleBody {
 public:
  virtual ~ResampleBody() = default;
  virtual void load_constants() {}
  virtual void begin_row() {}
  virtual void step(int at) = 0;  // stores lanes() result pixels, 2 * lanes() in 2x kernels
};
std::unique_ptr<ResampleBody> make_resample_body(Assembler&, const ResampleSpec&, const ResampleRegisters&);

// By kind, in their own files.
std::unique_ptr<ResampleBody> make_resample_table(Assembler&, const ResampleSpec&, const ResampleRegisters&);
std::unique_ptr<ResampleBody> make_resample_2x(Assembler&, const ResampleSpec&, const ResampleRegisters&);

inline bool is_2x(const ResampleSpec& s) {
  return s.kind == ResampleKind::nearest_2x || s.kind == ResampleKind::linear_2x;
}

}  // namespace quadlane
