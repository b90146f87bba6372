// A recurrent layer (LSTM, GRU, RNN; formulas in ops/recurrent.cc) behind the product of all its inputs with their
// weights, which an ordinary product computed with the biases: x, [positions][batch][directions][gates][hidden], or
// [batch][positions].. where batchwise. Position by position:
//
//   sums = h R            generated tiles, R packed in panels; each row's sums are padded to whole panels
//   s = f(x + sums)       loops over the hidden units of a gate
//
// Positions wait for each other, so threads share out directions and blocks of the batch's rows.
#pragma once

#include "engine/run/dense/gemm_pack.h"

namespace quadlane::run {

enum class RecurrentCell : uint8_t { lstm, gru, rnn };
enum class Activation : uint8_t {
  sigmoid,
  tanh,
  relu,
  affine,
  leaky_relu,
  thresholded_relu,
  scaled_tanh,
  hard_sigmoid,
  elu,
  softsign,
  softplus
};
}  // namespace quadlane::run
template <>
inline constexpr quadlane::run::RecurrentCell quadlane::kLastOf<quadlane::run::RecurrentCell> =
    quadlane::run::RecurrentCell::rnn;
template <>
inline constexpr quadlane::run::Activation quadlane::kLastOf<quadlane::run::Activation> =
    quadlane::run::Activation::softplus;
namespace quadlane::run {

struct GateFunction {
  Activation of;
  float alpha, beta;
  static constexpr auto kFields = std::tuple{&GateFunction::of, &GateFunction::alpha, &GateFunction::beta};
};

// Rows of states times the recurrent weights of some gates, one packed matrix for each direction.
struct StateProduct {
  GemmLayout layout;
  int panels = 1;  // of a tile
  // [the last rows, of which there are fewer][the last panels]
  KernelFn kernels[2][2] = {};
  DenseAddress b;
  static constexpr auto kFields =
      std::tuple{&StateProduct::layout, &StateProduct::panels, &StateProduct::kernels, &StateProduct::b};

  // y: rows of padded_n() sums.
  void run(const RunContext&, int64_t matrix, const float* a, int64_t a_row, bool last_rows, float* y,
           int64_t y_row) const;
};

class RecurrentStep final : public Step {
 public:
  Isa isa = Isa::avx2;
  RecurrentCell cell = RecurrentCell::lstm;
  bool reverse = false, batchwise = false, input_forget = false, reset_after = false;
  bool has_lengths = false, has_h = false, has_c = false, has_peepholes = false;
  int rows = 1;  // of a block
  float clip = 0;
  int64_t positions = 0, batch = 0, hidden = 0, directions = 1;
  std::vector<GateFunction> functions;  // of the first direction, then of the second
  // Of all gates; where a GRU's reset gate acts on the state, of its first two and of the third.
  std::vector<StateProduct> products;
  DenseAddress x, y, last_h, last_c;  // last_c: LSTM only
  DenseAddress lengths, h, c, peepholes;
  DenseAddress reset_bias;  // GRU with reset_after: of the third gate's product, [directions][hidden]
  DenseAddress scratch;
  static constexpr auto kFields = std::tuple{&RecurrentStep::isa,
                                             &RecurrentStep::cell,
                                             &RecurrentStep::reverse,
                                             &RecurrentStep::batchwise,
                                             &RecurrentStep::input_forget,
                                             &RecurrentStep::reset_after,
                                             &RecurrentStep::has_lengths,
                                             &RecurrentStep::has_h,
                                             &RecurrentStep::has_c,
                                             &RecurrentStep::has_peepholes,
                                             &RecurrentStep::rows,
                                             &RecurrentStep::clip,
                                             &RecurrentStep::positions,
                                             &RecurrentStep::batch,
                                             &RecurrentStep::hidden,
                                             &RecurrentStep::directions,
                                             &RecurrentStep::functions,
                                             &RecurrentStep::products,
                                             &RecurrentStep::x,
                                             &RecurrentStep::y,
                                             &RecurrentStep::last_h,
                                             &RecurrentStep::last_c,
                                             &RecurrentStep::lengths,
                                             &RecurrentStep::h,
                                             &RecurrentStep::c,
                                             &RecurrentStep::peepholes,
                                             &RecurrentStep::reset_bias,
                                             &RecurrentStep::scratch};
  void check(Checker&) const;
  void run(const RunContext&, int part, int parts) const noexcept override;

  int64_t gates() const { return cell == RecurrentCell::lstm ? 4 : cell == RecurrentCell::gru ? 3 : 1; }
  int64_t functions_each() const { return cell == RecurrentCell::lstm ? 3 : cell == RecurrentCell::gru ? 2 : 1; }
  bool is_split() const { return cell == RecurrentCell::gru && !reset_after; }
  // Floats of scratch for each row of each direction: its sums, h, c and what a cell computes in between.
  int64_t scratch_row() const;
};

}  // namespace quadlane::run
