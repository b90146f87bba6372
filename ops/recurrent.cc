// LSTM, GRU and RNN, in double. For each direction and row of the batch, position by position (s: sigmoid, t: tanh, or
// what `activations` says; * between vectors: by element; the sums of products include both biases):
//
//   RNN    h' = t(w x + r h)
//   GRU    z, u = s(w x + r h);  n = t(w x + r (u * h)), reset_after: t(w x + u * (r h));  h' = (1 - z) * n + z * h
//   LSTM   i, f = s(w x + r h + p * c);  n = t(w x + r h);  c' = f * c + i * n
//          o = s(w x + r h + p * c');    h' = o * t(c')                        input_forget: f = 1 - i
//
// Clipping bounds what goes into the functions of the gates, as ONNX Runtime has it: not c'. Positions behind a row's
// length give 0, and a row without positions ends at 0 too, as there.
#include "ops/recurrent.h"

#include <cctype>
#include <cmath>
#include <limits>

#include "ops/attr.h"
#include "ops/check.h"
#include "ops/defs.h"
#include "ops/dispatch.h"
#include "ops/shape_inputs.h"

namespace quadlane {
namespace {

using In = RecurrentInput;

// --- what the node says ----------------------------------------------------------------------------------------------

struct Function {
  std::string_view name;
  int parameters;
  float alpha, beta;  // unless given
  double (*of)(double x, double alpha, double beta);
};
double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
constexpr Function kFunctions[] = {
    {"Sigmoid", 0, 0, 0, [](double x, double, double) { return sigmoid(x); }},
    {"Tanh", 0, 0, 0, [](double x, double, double) { return std::tanh(x); }},
    {"Relu", 0, 0, 0, [](double x, double, double) { return std::max(x, 0.0); }},
    {"Affine", 2, 1, 0, [](double x, double a, double b) { return a * x + b; }},
    {"LeakyRelu", 1, 0.01f, 0, [](double x, double a, double) { return x < 0 ? a * x : x; }},
    {"ThresholdedRelu", 1, 1, 0, [](double x, double a, double) { return x > a ? x : 0; }},
    {"ScaledTanh", 2, 1, 1, [](double x, double a, double b) { return a * std::tanh(b * x); }},
    {"HardSigmoid", 2, 0.2f, 0.5f, [](double x, double a, double b) { return std::clamp(a * x + b, 0.0, 1.0); }},
    {"Elu", 1, 1, 0, [](double x, double a, double) { return x < 0 ? a * std::expm1(x) : x; }},
    {"Softsign", 0, 0, 0, [](double x, double, double) { return x / (1 + std::fabs(x)); }},
    {"Softplus", 0, 0, 0,
     [](double x, double, double) { return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x))); }},
};

// Files write the names in any case.
const Function* find_function(std::string_view name) {
  auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  for (const Function& f : kFunctions)
    if (std::equal(f.name.begin(), f.name.end(), name.begin(), name.end(), same)) return &f;
  return nullptr;
}

std::vector<std::string> words(const std::string& text) {
  std::vector<std::string> list;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) list.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return list;
}

// Each function takes as many of the given parameters as it has, in turn.
Result<std::vector<CellActivation>> activations_of(const OpContext& ctx, Cell cell, int64_t directions) {
  constexpr const char* kUsual[] = {"Sigmoid Tanh Tanh", "Sigmoid Tanh", "Tanh"};
  std::string usual = kUsual[static_cast<int>(cell)];
  if (directions == 2) usual += cat(" ", usual);
  QL_TRY(std::string given, string_attr(ctx.attrs(), "activations", usual));
  QL_TRY(auto alphas, attr_or<std::vector<float>>(ctx.attrs(), "activation_alpha", {}));
  QL_TRY(auto betas, attr_or<std::vector<float>>(ctx.attrs(), "activation_beta", {}));
  std::vector<CellActivation> list;
  size_t alpha = 0, beta = 0;
  for (const std::string& name : words(given)) {
    const Function* f = find_function(name);
    if (!f) return unsupported("activation '", name, "' is not known");
    list.push_back({f->name, f->alpha, f->beta});
    if (f->parameters > 0 && alpha < alphas.size()) list.back().alpha = alphas[alpha++];
    if (f->parameters > 1 && beta < betas.size()) list.back().beta = betas[beta++];
  }
  if (const size_t expected = words(usual).size(); list.size() != expected)
    return invalid_model("attribute 'activations' has ", list.size(), " names, expected ", expected);
  return list;
}

Status check_shapes(const OpContext& ctx, const Recurrent& r) {
  const int64_t d = r.directions, h = r.hidden;
  QL_TRY(int64_t rows, checked_product(r.gates, h));
  QL_TRY(int64_t biases, checked_product(2, rows));
  const Shape state = r.batchwise ? Shape{r.batch, d, h} : Shape{d, r.batch, h};
  QL_CHECK_OK(expect_shape(ctx, In::w, {d, rows, r.inputs}));
  QL_CHECK_OK(expect_shape(ctx, In::r, {d, rows, h}));
  QL_CHECK_OK(expect_shape(ctx, In::b, {d, biases}));
  QL_CHECK_OK(expect_shape(ctx, In::lengths, {r.batch}));
  QL_CHECK_OK(expect_shape(ctx, In::h, state));
  QL_CHECK_OK(expect_shape(ctx, In::c, state));
  return expect_shape(ctx, In::p, {d, rows / 4 * 3});
}

Status check_lengths(const OpContext& ctx, const Recurrent& r) {
  const View* lengths = ctx.known(In::lengths);
  for (int64_t i = 0; lengths && i < r.batch; ++i)
    if (const int32_t n = lengths->as<int32_t>()[i]; n < 0 || n > r.positions)
      return invalid_model("length ", n, " of row ", i, " does not exist, x has ", r.positions, " positions");
  return {};
}

Result<Recurrent> attributes_of(const OpContext& ctx) {
  const std::string_view op = ctx.node.op;
  Recurrent r{};
  r.cell = op == "LSTM" ? Cell::lstm : op == "GRU" ? Cell::gru : Cell::rnn;
  r.gates = op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
  QL_TRY(std::string direction, string_attr(ctx.attrs(), "direction", "forward"));
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return invalid_model("attribute 'direction' is '", direction, "', expected forward, reverse or bidirectional");
  r.reverse = direction == "reverse";
  r.directions = direction == "bidirectional" ? 2 : 1;
  QL_TRY(r.batchwise, bool_attr(ctx.attrs(), "layout", false));
  QL_TRY(r.input_forget, bool_attr(ctx.attrs(), "input_forget", false));
  QL_TRY(int64_t reset_after, int_attr(ctx.attrs(), "linear_before_reset", 0));
  r.reset_after = reset_after != 0;
  QL_TRY(r.clip, float_attr(ctx.attrs(), "clip", std::numeric_limits<float>::infinity()));
  if (!(r.clip >= 0)) return invalid_model("attribute 'clip' is ", r.clip, ", expected at least 0");
  if (r.clip == 0) r.clip = std::numeric_limits<float>::infinity();
  QL_TRY(r.activations, activations_of(ctx, r.cell, r.directions));
  return r;
}

}  // namespace

Result<Recurrent> recurrent_of(const OpContext& ctx) {
  for (size_t i : {In::x, In::w, In::r}) {
    if (!ctx.has(i)) return invalid_model("required input ", i, " is absent");
    QL_CHECK_OK(expect_rank(ctx, i, 3, 3));
  }
  QL_CHECK_OK(expect_types(ctx, In::x, Types::floats));
  for (size_t i : {In::w, In::r, In::b, In::h, In::c, In::p}) QL_CHECK_OK(expect_dtype(ctx, i, ctx.type(In::x).dtype));
  QL_CHECK_OK(expect_dtype(ctx, In::lengths, DType::s32));
  QL_TRY(Recurrent r, attributes_of(ctx));
  const Shape& x = ctx.shape(In::x);
  r.positions = x[r.batchwise ? 1 : 0], r.batch = x[r.batchwise ? 0 : 1], r.inputs = x[2];
  r.hidden = ctx.shape(In::r)[2];
  QL_TRY(int64_t hidden, int_attr(ctx.attrs(), "hidden_size", r.hidden));
  if (hidden != r.hidden) return invalid_model("attribute 'hidden_size' is ", hidden, ", input 2 says ", r.hidden);
  QL_CHECK_OK(check_shapes(ctx, r));
  QL_CHECK_OK(check_lengths(ctx, r));
  return r;
}

RecurrentStrides strides_of(const Recurrent& r) {
  const int64_t h = r.hidden, d = r.directions;
  if (r.batchwise) return {r.inputs, r.positions * r.inputs, d * h, h, r.positions * d * h, h, d * h};
  return {r.batch * r.inputs, r.inputs, d * r.batch * h, r.batch * h, h, r.batch * h, h};
}

namespace {

// --- the reference ---------------------------------------------------------------------------------------------------

Result<std::vector<TensorType>> infer(const OpContext& ctx) {
  QL_TRY(Recurrent r, recurrent_of(ctx));
  const DType dtype = ctx.type(In::x).dtype;
  Shape y{r.positions, r.directions, r.batch, r.hidden}, state{r.directions, r.batch, r.hidden};
  if (r.batchwise) y = {r.batch, r.positions, r.directions, r.hidden}, state = {r.batch, r.directions, r.hidden};
  std::vector<TensorType> types{{dtype, y}, {dtype, state}};
  if (r.cell == Cell::lstm) types.push_back({dtype, state});
  return types;
}

using Vector = std::vector<double>;

// One direction of one row of the batch.
template <class T>
class Walk {
 public:
  Walk(const OpContext& ctx, const Recurrent& r, int64_t direction)
      : r_(r), n_(static_cast<size_t>(r.hidden)), direction_(direction) {
    const auto rows = r.gates * r.hidden;
    w_ = at(ctx, In::w, rows * r.inputs), u_ = at(ctx, In::r, rows * r.hidden), b_ = at(ctx, In::b, 2 * rows);
    p_ = at(ctx, In::p, 3 * r.hidden);
    for (size_t i = 0; i < r.functions(); ++i) {
      const CellActivation& a = r.activations[static_cast<size_t>(direction) * r.functions() + i];
      functions_.push_back(*find_function(a.name));
      functions_.back().alpha = a.alpha, functions_.back().beta = a.beta;
    }
  }

  Vector h, c;
  void start(const T* h0, const T* c0) {
    h.assign(n_, 0), c.assign(n_, 0);
    if (h0) h.assign(h0, h0 + n_);
    if (c0) c.assign(c0, c0 + n_);
  }
  void step(const T* x) {
    switch (r_.cell) {
      case Cell::lstm: return lstm(x);
      case Cell::gru: return gru(x);
      case Cell::rnn: return rnn(x);
    }
  }

 private:
  const T* at(const OpContext& ctx, size_t input, int64_t stride) const {
    return ctx.has(input) ? ctx.inputs[input].as<T>() + direction_ * stride : nullptr;
  }
  size_t row(int64_t gate, size_t j) const { return static_cast<size_t>(gate) * n_ + j; }
  double given(const T* x, int64_t gate, size_t j) const {
    const T* w = w_ + row(gate, j) * static_cast<size_t>(r_.inputs);
    double sum = b_ ? double{b_[row(gate, j)]} : 0;
    for (int64_t k = 0; k < r_.inputs; ++k) sum += double{w[k]} * double{x[k]};
    return sum;
  }
  double remembered(const Vector& from, int64_t gate, size_t j) const {
    const T* u = u_ + row(gate, j) * n_;
    double sum = b_ ? double{b_[row(r_.gates + gate, j)]} : 0;
    for (size_t k = 0; k < n_; ++k) sum += double{u[k]} * from[k];
    return sum;
  }
  double peephole(int64_t gate, size_t j) const { return p_ ? double{p_[row(gate, j)]} : 0; }
  double apply(size_t function, double x) const { return unclipped(function, bounded(x)); }
  double bounded(double x) const {
    const double clip = r_.clip;
    return x > clip ? clip : x < -clip ? -clip : x;
  }
  double unclipped(size_t function, double x) const {
    const Function& f = functions_[function];
    return f.of(x, double{f.alpha}, double{f.beta});
  }

  void rnn(const T* x) {
    Vector next(n_);
    for (size_t j = 0; j < n_; ++j) next[j] = apply(0, given(x, 0, j) + remembered(h, 0, j));
    h = next;
  }
  void gru(const T* x) {
    Vector z(n_), reset(n_), masked(n_);
    for (size_t j = 0; j < n_; ++j) {
      z[j] = apply(0, given(x, 0, j) + remembered(h, 0, j));
      reset[j] = apply(0, given(x, 1, j) + remembered(h, 1, j));
      masked[j] = reset[j] * h[j];
    }
    Vector next(n_);
    for (size_t j = 0; j < n_; ++j) {
      const double past = r_.reset_after ? reset[j] * remembered(h, 2, j) : remembered(masked, 2, j);
      next[j] = (1 - z[j]) * apply(1, given(x, 2, j) + past) + z[j] * h[j];
    }
    h = next;
  }
  void lstm(const T* x) {
    enum : int64_t { i, o, f, n };  // rows of w and r; p has i, o, f
    Vector next(n_);
    for (size_t j = 0; j < n_; ++j) {
      const double in = apply(0, given(x, i, j) + remembered(h, i, j) + peephole(i, j) * c[j]);
      const double keep =
          r_.input_forget ? 1 - in : apply(0, given(x, f, j) + remembered(h, f, j) + peephole(f, j) * c[j]);
      c[j] = keep * c[j] + in * apply(1, given(x, n, j) + remembered(h, n, j));
      next[j] = apply(0, given(x, o, j) + remembered(h, o, j) + peephole(o, j) * c[j]) * unclipped(2, c[j]);
    }
    h = next;
  }

  const Recurrent& r_;
  size_t n_;
  int64_t direction_;
  const T *w_, *u_, *b_, *p_;
  std::vector<Function> functions_;
};

template <class T>
void walk(const OpContext& ctx, const Recurrent& r, std::span<const MutView> out) {
  const RecurrentStrides s = strides_of(r);
  auto put = [](T* to, const Vector& values) {
    for (size_t j = 0; j < values.size(); ++j) to[j] = static_cast<T>(values[j]);
  };
  std::fill_n(out[0].as<T>(), out[0].type->count(), T{0});
  for (int64_t d = 0; d < r.directions; ++d) {
    Walk<T> w(ctx, r, d);
    for (int64_t b = 0; b < r.batch; ++b) {
      const int64_t state = d * s.state_direction + b * s.state_row;
      const int64_t length = ctx.has(In::lengths) ? ctx.inputs[In::lengths].as<int32_t>()[b] : r.positions;
      w.start(ctx.has(In::h) && length > 0 ? ctx.inputs[In::h].as<T>() + state : nullptr,
              ctx.has(In::c) && length > 0 ? ctx.inputs[In::c].as<T>() + state : nullptr);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = r.backwards(d) ? length - 1 - i : i;
        w.step(ctx.inputs[In::x].as<T>() + t * s.x_position + b * s.x_row);
        put(out[0].as<T>() + t * s.y_position + d * s.y_direction + b * s.y_row, w.h);
      }
      if (out.size() > 1) put(out[1].as<T>() + state, w.h);
      if (out.size() > 2) put(out[2].as<T>() + state, w.c);
    }
  }
}

Status eval(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(Recurrent r, recurrent_of(ctx));
  return dispatch_float(ctx.type(In::x).dtype, [&]<class T>(T) -> Status {
    walk<T>(ctx, r, out);
    return {};
  });
}

}  // namespace

void append_recurrent_ops(std::vector<OpDef>& defs) {
  defs.push_back({"LSTM", 3, 8, 3,
                  "activation_alpha activation_beta activations clip direction hidden_size "
                  "input_forget layout",
                  infer, with_half<eval>});
  defs.push_back({"GRU", 3, 6, 2,
                  "activation_alpha activation_beta activations clip direction hidden_size layout "
                  "linear_before_reset",
                  infer, with_half<eval>});
  defs.push_back({"RNN", 3, 6, 2, "activation_alpha activation_beta activations clip direction hidden_size layout",
                  infer, with_half<eval>});
}

}  // namespace quadlane
