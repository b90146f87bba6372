// Operators that compute each element of a dense result from the elements of up to three dense operands that broadcast
// to it. The result is walked in rows along which every operand either walks along or stands still.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/cpu.h"
#include "engine/base/tensor.h"
#include "engine/run/step.h"

namespace quadlane::run {

// Rows of n elements, at least kElementGroup, one behind the other in `out`, which is no operand. Row r of operand k is
// at in[k] + r * row[k] elements; it walks along (walk -1), or one group of it is all there is (walk 0).
inline constexpr int64_t kElementGroup = 16;
struct ElementBlock {
  const void* in[3];
  int64_t row[3], walk[3];
  void* out;
  int64_t rows, n;
  const float* p;  // attributes
};
using ElementFn = void (*)(Isa, const ElementBlock&);

// The loop of a function by its ONNX name on operands of type `in` (Where: of its second and third one; Cast: from
// `in`), with a result of type `out`; null where there is none. "Square" is x * x; "Gelu" and "GeluTanh" are both forms
// of Gelu; "Affine" is x * factor + term; "Clip" takes its bounds from p, the others their attributes in the order ONNX lists them.
ElementFn find_elementwise(std::string_view name, size_t operands, DType in, DType out);

// A loop and what it is found by, which is how it is stored.
struct ElementLoop {
  std::string name;
  uint8_t operands = 1;
  DType in = DType::f32, out = DType::f32;
  ElementFn fn = nullptr;

  static ElementLoop find(std::string_view name, size_t operands, DType in, DType out);
  size_t operand_bytes(size_t k) const { return name == "Where" && k == 0 ? 1 : size_of(in); }
};

// `rows` rows of n elements: element i of row r of operand k is in[k][r * row[k] + i * step[k]], step 0 or 1; of the
// result, out[r * n + i]. Steps are in elements.
struct ElementRows {
  const void* in[3];
  int64_t step[3], row[3];
  void* out;
  int64_t rows, n;
  float p[2];  // attributes
};
void run_rows(const ElementLoop&, Isa, const ElementRows&);

// The parts of find_elementwise.
ElementFn find_unary(std::string_view name, DType in);
ElementFn find_binary(std::string_view name, DType in);
ElementFn find_comparison(std::string_view name, DType in);
ElementFn find_where(DType in);
ElementFn find_affine(DType in);
ElementFn find_cast(DType in, DType out);

class BroadcastStep final : public Step {
 public:
  struct Axis {
    int64_t extent;
    std::array<int64_t, 3> step;  // of each operand, in elements; 0 where it stands still
    static constexpr auto kFields = std::tuple{&Axis::extent, &Axis::step};
  };
  BroadcastStep() = default;  // to be read
  // The shapes broadcast to `out`.
  BroadcastStep(Isa isa, ElementLoop loop, const Shape& out, const std::vector<TensorType>& in, std::array<float, 2> p);
  std::array<DenseAddress, 3> from{};
  DenseAddress to{};
  void run(const RunContext&, int part, int parts) const noexcept override;

 private:
  Isa isa_ = Isa::avx2;
  ElementLoop loop_;
  std::vector<Axis> outer_;  // outermost first
  Axis rows_{1, {}}, inner_{1, {}};
  int64_t count_ = 0;
  std::array<float, 2> p_{};

 public:
  static constexpr auto kFields = std::tuple{&BroadcastStep::from,   &BroadcastStep::to,     &BroadcastStep::isa_,
                                             &BroadcastStep::loop_,  &BroadcastStep::outer_, &BroadcastStep::rows_,
                                             &BroadcastStep::inner_, &BroadcastStep::count_, &BroadcastStep::p_};
  void check(Checker&) const;
};

}  // namespace quadlane::run

// Stored as what it is found by.
template <>
struct quadlane::FieldCodec<quadlane::run::ElementLoop> {
  static constexpr uint32_t kLayout = 0x656c6f6f;
  static constexpr size_t kFewestBytes = 8 + 3;
  static void write(FieldWriter&, const run::ElementLoop&);
  static void read(FieldReader&, run::ElementLoop&);
};
