// What an elementwise kernel computes, apart from how it walks its planes.
#pragma once

#include <memory>

#include "jit/kernels/elementwise.h"

namespace quadlane {

class ElementwiseBody {
 public:
  virtual ~ElementwiseBody() = default;
  virtual void load_constants() {}
  // Operands of plane number `index`; `second` points to its pixel (0, 0) of the second operand if there is one.
  virtual void load_plane(const Gp& index, const Gp& second) { (void)index, (void)second; }
  // value = f(value, other); other does not survive.
  virtual void compute(const Vec& value, const Vec& other) = 0;
};
std::unique_ptr<ElementwiseBody> make_elementwise_body(Assembler&, const ElementwiseSpec&);

bool reads_second_plane(ElementwiseOp);  // as many pixels as the first
bool reads_second_pixel(ElementwiseOp);  // one pixel for each plane

}  // namespace quadlane
