#include "engine/run/dense/recurrent.h"

#include <algorithm>

#include "engine/run/dense/math.h"
#include "engine/base/on_isa.h"

namespace quadlane::run {

void StateProduct::run(const RunContext& ctx, int64_t matrix, const float* a, int64_t a_row, bool last_rows, float* y,
                       int64_t y_row) const {
  const auto* weights = static_cast<const std::byte*>(b.at(ctx)) + matrix * layout.b_bytes();
  for (int64_t panel = 0; panel < layout.panels(); panel += panels) {
    GemmArgs args;
    args.a = reinterpret_cast<const std::byte*>(a);
    args.a_stride = a_row * 4;
    args.b = weights + panel * layout.panel_bytes();
    args.panel_bytes = layout.panel_bytes();
    args.c = reinterpret_cast<std::byte*>(y + panel * layout.columns());
    args.c_stride = y_row * 4;
    args.steps = layout.steps();
    ctx.call(kernels[last_rows][layout.panels() - panel < panels], &args);
  }
}

namespace {

// body(f) with f(x, alpha, beta) inlined into it.
template <class Body>
void with_function(Activation of, const Body& body) {
  switch (of) {
    case Activation::sigmoid: return body([](float x, float, float) { return sigmoid(x); });
    case Activation::tanh: return body([](float x, float, float) { return run::tanh(x); });
    case Activation::relu: return body([](float x, float, float) { return x < 0 ? 0.0f : x; });
    case Activation::affine: return body([](float x, float a, float b) { return a * x + b; });
    case Activation::leaky_relu: return body([](float x, float a, float) { return x < 0 ? a * x : x; });
    case Activation::thresholded_relu: return body([](float x, float a, float) { return x > a ? x : 0.0f; });
    case Activation::scaled_tanh: return body([](float x, float a, float b) { return a * run::tanh(b * x); });
    case Activation::hard_sigmoid:
      return body([](float x, float a, float b) {
        const float y = a * x + b, low = y < 0 ? 0.0f : y;
        return low > 1 ? 1.0f : low;
      });
    case Activation::elu: return body([](float x, float a, float) { return x < 0 ? a * run::expm1(x) : x; });
    case Activation::softsign: return body([](float x, float, float) { return x / (1 + std::fabs(x)); });
    case Activation::softplus:
      return body([](float x, float, float) { return (x < 0 ? 0.0f : x) + run::log(1 + run::exp(-std::fabs(x))); });
  }
}

// Loops over `n` hidden units; s: what a gate's sums become.
struct Units {
  Isa isa;
  int64_t n;

  // s = f(x + s), bounded before.
  void gate(const GateFunction& g, const float* x, float clip, float* s) const {
    const int64_t count = n;
    const float alpha = g.alpha, beta = g.beta;
    with_function(g.of, [=, this](auto f) {
      on_isa(isa, [=] {
        for (int64_t j = 0; j < count; ++j) {
          float v = x[j] + s[j];
          v = v > clip ? clip : v;
          v = v < -clip ? -clip : v;
          s[j] = f(v, alpha, beta);
        }
      });
    });
  }
  // y = o * f(x)
  void out(const GateFunction& g, const float* x, const float* o, float* y) const {
    const int64_t count = n;
    const float alpha = g.alpha, beta = g.beta;
    with_function(g.of, [=, this](auto f) {
      on_isa(isa, [=] {
        for (int64_t j = 0; j < count; ++j) y[j] = o[j] * f(x[j], alpha, beta);
      });
    });
  }
  // y += a * b
  void accumulate(const float* a, const float* b, float* y) const {
    const int64_t count = n;
    on_isa(isa, [=] {
      for (int64_t j = 0; j < count; ++j) y[j] += a[j] * b[j];
    });
  }
  void multiply(const float* a, const float* b, float* y) const {
    const int64_t count = n;
    on_isa(isa, [=] {
      for (int64_t j = 0; j < count; ++j) y[j] = a[j] * b[j];
    });
  }
  // y = a * (y + b)
  void reset(const float* a, const float* b, float* y) const {
    const int64_t count = n;
    on_isa(isa, [=] {
      for (int64_t j = 0; j < count; ++j) y[j] = a[j] * (y[j] + b[j]);
    });
  }
  // y = y * a + b * d
  void blend(const float* a, const float* b, const float* d, float* y) const {
    const int64_t count = n;
    on_isa(isa, [=] {
      for (int64_t j = 0; j < count; ++j) y[j] = y[j] * a[j] + b[j] * d[j];
    });
  }
  void one_less(const float* a, float* y) const {
    const int64_t count = n;
    on_isa(isa, [=] {
      for (int64_t j = 0; j < count; ++j) y[j] = 1 - a[j];
    });
  }
};

// Rows of one direction that go through the positions together.
class Walk {
 public:
  Walk(const RecurrentStep& step, const RunContext& ctx, int64_t direction, int64_t first)
      : s_(step),
        ctx_(ctx),
        units_{step.isa, step.hidden},
        direction_(direction),
        first_(first),
        rows_(std::min<int64_t>(step.rows, step.batch - first)),
        functions_(step.functions.data() + direction * step.functions_each()) {
    sums_row_ = s_.products[0].layout.padded_n();
    more_row_ = s_.is_split() ? s_.products[1].layout.padded_n() : 0;
    sums_ = floats(s_.scratch) + (direction * s_.batch + first) * s_.scratch_row();
    more_ = sums_ + rows_ * sums_row_;
    h_ = more_ + rows_ * more_row_;
    c_ = h_ + rows_ * s_.hidden;
    between_ = c_ + rows_ * s_.hidden;
  }

  void run() {
    int64_t longest = 0;
    for (int64_t b = 0; b < rows_; ++b) {
      start(b);
      longest = std::max(longest, length(b));
    }
    for (int64_t i = 0; i < longest; ++i) position(i);
    for (int64_t b = 0; b < rows_; ++b) finish(b);
  }

 private:
  float* floats(const DenseAddress& a) const { return static_cast<float*>(a.at(ctx_)); }
  int64_t length(int64_t b) const {
    return s_.has_lengths ? static_cast<const int32_t*>(s_.lengths.at(ctx_))[first_ + b] : s_.positions;
  }
  // Rows of x are ordered by position and batch, states by direction and batch.
  int64_t at(int64_t t, int64_t b) const {
    return s_.batchwise ? (first_ + b) * s_.positions + t : t * s_.batch + first_ + b;
  }
  int64_t state(int64_t b) const {
    const int64_t row = s_.batchwise ? (first_ + b) * s_.directions + direction_ : direction_ * s_.batch + first_ + b;
    return row * s_.hidden;
  }
  float* result(int64_t t, int64_t b) const {
    const int64_t row =
        s_.batchwise ? at(t, b) * s_.directions + direction_ : (t * s_.directions + direction_) * s_.batch + first_ + b;
    return floats(s_.y) + row * s_.hidden;
  }
  const float* given(int64_t t, int64_t b) const {
    return floats(s_.x) + (at(t, b) * s_.directions + direction_) * s_.gates() * s_.hidden;
  }
  float* h(int64_t b) const { return h_ + b * s_.hidden; }
  float* c(int64_t b) const { return c_ + b * s_.hidden; }
  float* between(int64_t b) const { return between_ + b * s_.hidden; }
  float* sums(int64_t b, int64_t gate) const { return sums_ + b * sums_row_ + gate * s_.hidden; }

  void start(int64_t b) const {
    auto set = [&](bool given, const DenseAddress& from, float* to) {
      if (given && length(b) > 0)
        std::copy_n(floats(from) + state(b), s_.hidden, to);
      else
        std::fill_n(to, s_.hidden, 0.0f);
    };
    set(s_.has_h, s_.h, h(b));
    set(s_.has_c, s_.c, c(b));
    std::fill_n(between(b), s_.hidden, 0.0f);
    for (int64_t t = length(b); t < s_.positions; ++t) std::fill_n(result(t, b), s_.hidden, 0.0f);
  }
  void finish(int64_t b) const {
    std::copy_n(h(b), s_.hidden, floats(s_.last_h) + state(b));
    if (s_.cell == RecurrentCell::lstm) std::copy_n(c(b), s_.hidden, floats(s_.last_c) + state(b));
  }

  void position(int64_t i) const {
    const bool fewer = rows_ < s_.rows;
    s_.products[0].run(ctx_, direction_, h_, s_.hidden, fewer, sums_, sums_row_);
    if (s_.is_split()) {
      each_row(i, [this](int64_t b, int64_t t) { gru_gates(b, given(t, b)); });
      s_.products[1].run(ctx_, direction_, between_, s_.hidden, fewer, more_, more_row_);
    }
    each_row(i, [this](int64_t b, int64_t t) {
      switch (s_.cell) {
        case RecurrentCell::lstm: lstm(b, given(t, b)); break;
        case RecurrentCell::gru: gru(b, given(t, b)); break;
        case RecurrentCell::rnn: rnn(b, given(t, b)); break;
      }
      std::copy_n(h(b), s_.hidden, result(t, b));
    });
  }
  // f(row, its position) of the rows that have one left.
  template <class F>
  void each_row(int64_t i, const F& f) const {
    for (int64_t b = 0; b < rows_; ++b)
      if (const int64_t n = length(b); i < n) f(b, s_.reverse || direction_ == 1 ? n - 1 - i : i);
  }

  void gate(size_t function, const float* x, float* s) const { units_.gate(functions_[function], x, s_.clip, s); }

  void lstm(int64_t b, const float* x) const {
    const int64_t n = s_.hidden;
    float *in = sums(b, 0), *out = sums(b, 1), *keep = sums(b, 2), *fresh = sums(b, 3);
    const float* p = s_.has_peepholes ? floats(s_.peepholes) + direction_ * 3 * n : nullptr;
    if (p) units_.accumulate(p, c(b), in);
    gate(0, x, in);
    if (p) units_.accumulate(p + 2 * n, c(b), keep);
    if (s_.input_forget)
      units_.one_less(in, keep);
    else
      gate(0, x + 2 * n, keep);
    gate(1, x + 3 * n, fresh);
    units_.blend(keep, in, fresh, c(b));
    if (p) units_.accumulate(p + n, c(b), out);
    gate(0, x + n, out);
    units_.out(functions_[2], c(b), out, h(b));
  }

  void rnn(int64_t b, const float* x) const {
    gate(0, x, sums(b, 0));
    std::copy_n(sums(b, 0), s_.hidden, h(b));
  }

  // The update gate and the reset gate, and what the latter lets through.
  void gru_gates(int64_t b, const float* x) const {
    gate(0, x, sums(b, 0));
    gate(0, x + s_.hidden, sums(b, 1));
    units_.multiply(sums(b, 1), h(b), between(b));
  }
  void gru(int64_t b, const float* x) const {
    float *update = sums(b, 0), *fresh = s_.is_split() ? more_ + b * more_row_ : sums(b, 2);
    if (!s_.is_split()) {
      gru_gates(b, x);
      units_.reset(sums(b, 1), floats(s_.reset_bias) + direction_ * s_.hidden, fresh);
    }
    gate(1, x + 2 * s_.hidden, fresh);
    units_.one_less(update, between(b));
    units_.blend(update, between(b), fresh, h(b));
  }

  const RecurrentStep& s_;
  const RunContext& ctx_;
  const Units units_;
  int64_t direction_, first_, rows_;
  const GateFunction* functions_;
  int64_t sums_row_, more_row_;
  float *sums_, *more_, *h_, *c_, *between_;
};

}  // namespace

int64_t RecurrentStep::scratch_row() const {
  int64_t sums = 0;
  for (const StateProduct& p : products) sums += p.layout.padded_n();
  return sums + 3 * hidden;
}

void RecurrentStep::run(const RunContext& ctx, int part, int parts) const noexcept {
  const int64_t blocks = (batch + rows - 1) / rows;
  Share share(directions * blocks, part, parts);
  for (int64_t i = share.begin; i < share.end; ++i) Walk(*this, ctx, i / blocks, i % blocks * rows).run();
}

}  // namespace quadlane::run
