// Operators that compute each element of a dense result from the elements of up to three dense operands that broadcast
// to it. The result is walked in rows along which every operand either walks along or stands still.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "engine/base/cpu.h"
#include "engine/base/tensor.h"
#include "engine/run/step.h"

namespace quadlane::run {

// `rows` rows of n elements: element i of row r of operand k is in[k][r * row[k] + i * step[k]], step 0 or 1; of the
// result, out[r * n + i]. Steps are in elements.
struct ElementRows {
  const void* in[3];
  int64_t step[3], row[3];
  void* out;
  int64_t rows, n;
  float p[2];  // attributes
};
using ElementFn = void (*)(Isa, const ElementRows&);

// The loop of a function by its ONNX name on operands of type `in` (Where: of its second and third one; Cast: from
// `in`), with a result of type `out`; null where there is none. "Square" is x * x; "Gelu" and "GeluTanh" are both forms
// of Gelu; "Clip" takes its bounds from p, the others their attributes in the order ONNX lists them.
ElementFn find_elementwise(std::string_view name, size_t operands, DType in, DType out);

// The parts of find_elementwise.
ElementFn find_unary(std::string_view name, DType in);
ElementFn find_binary(std::string_view name, DType in);
ElementFn find_comparison(std::string_view name, DType in);
ElementFn find_where(DType in);
ElementFn find_cast(DType in, DType out);

class BroadcastStep final : public Step {
 public:
  struct Axis {
    int64_t extent;
    std::array<int64_t, 3> step;  // of each operand, in elements; 0 where it stands still
  };
  // The shapes broadcast to `out`.
  BroadcastStep(Isa isa, ElementFn fn, const Shape& out, const std::vector<TensorType>& in, DType out_dtype,
                std::array<float, 2> p);
  std::array<DenseAddress, 3> from{};
  DenseAddress to{};
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  Isa isa_;
  ElementFn fn_;
  std::vector<Axis> outer_;  // outermost first
  Axis rows_{1, {}}, inner_{1, {}};
  size_t operands_;
  std::array<size_t, 3> element_bytes_{};
  size_t out_bytes_;
  int64_t count_;
  std::array<float, 2> p_;
};

}  // namespace quadlane::run
