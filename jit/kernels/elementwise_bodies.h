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

std::unique_ptr<ElementwiseBody> make_table_body(Assembler&, ElementwiseOp);  // lut, lut_vbmi, ...
std::unique_ptr<ElementwiseBody> make_f32_body(Assembler&, const ElementwiseSpec&);

bool is_binary(ElementwiseOp);  // has a second operand

// Address of a field of the call's ElementwiseScalars.
class Scalars {
 public:
  explicit Scalars(Assembler& a) : a_(a), base_(a.gp("scalars")) {
    a.load_arg(base_, offsetof(ElementwiseArgs, scalars));
  }
  Xbyak::Address at(size_t offset) const { return a_.ptr[base_ + static_cast<int>(offset)]; }
  void broadcast(const Vec& to, size_t offset) const { a_.vbroadcastss(to, at(offset)); }

 private:
  Assembler& a_;
  Gp base_;
};

}  // namespace quadlane
