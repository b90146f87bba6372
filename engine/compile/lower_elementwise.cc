// Elementwise operators on planes: u8 (ql.Add, ql.Mul, ql.Requantize, ql.Lut), f32 with one or two operands, and plane
// copies. Operands with per-channel constants (batch norm, scale, bias) are one affine step a plane.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/compile/lowering.h"
#include "engine/run/elementwise_step.h"
#include "jit/kernels/elementwise.h"

namespace quadlane::compile {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// What the kernel computes, before layouts are known.
struct Elementwise {
  ElementwiseOp op = ElementwiseOp::copy;
  Activation act = Activation::none;
  ElementwiseScalars scalars;
  // Per plane parameters, made when the planes' channels are known.
  std::function<std::vector<std::byte>(const PlanarValue&)> params;
};

template <class T>
std::vector<std::byte> as_bytes(const std::vector<T>& values) {
  auto* bytes = reinterpret_cast<const std::byte*>(values.data());
  return {bytes, bytes + values.size() * sizeof(T)};
}

// One value for each channel from a constant of 1 or C elements that broadcasts along channels; empty when it does not.
std::vector<float> per_channel(const Tensor& t, int64_t channels) {
  const Shape& s = t.shape();
  const bool scalar = t.count() == 1, along = t.count() == channels && s.size() >= 3 && s[s.size() - 3] == channels;
  if (t.dtype() != DType::f32 || !(scalar || along)) return {};
  std::vector<float> values(static_cast<size_t>(channels));
  for (size_t c = 0; c < values.size(); ++c) values[c] = t.as<float>()[scalar ? 0 : c];
  return values;
}

Elementwise affine(std::vector<float> mult, std::vector<float> bias) {
  Elementwise e;
  e.op = ElementwiseOp::affine_f32;
  e.params = [mult = std::move(mult), bias = std::move(bias)](const PlanarValue& planes) {
    std::vector<AffineChannel> channels;
    for (const PlaneRef& p : planes.planes) {
      size_t c = static_cast<size_t>(p.channels[0]);
      channels.push_back({mult[c], bias[c]});
    }
    return as_bytes(channels);
  };
  return e;
}

Elementwise identity(int64_t channels) {
  return affine(std::vector<float>(static_cast<size_t>(channels), 1.0f),
                std::vector<float>(static_cast<size_t>(channels), 0.0f));
}

void clip(Elementwise& e, float lo, float hi) {
  e.act = Activation::clip;
  e.scalars.v_lo = lo;
  e.scalars.v_hi = hi;
}

void read_u8_range(ElementwiseScalars& s, const Attrs& attrs) {
  s.out_zero = static_cast<int32_t>(attrs.int_or("out_zero", 0));
  s.v_lo = static_cast<float>(attrs.int_or("out_lo", 0) - s.out_zero);
  s.v_hi = static_cast<float>(attrs.int_or("out_hi", 255) - s.out_zero);
}

// Null when the operator or its operands are not for the affine kernel.
std::optional<Elementwise> unary_f32(Lowering& l, const Node& node) {
  const int64_t channels = l.shape(node.output())[1];
  auto scalar = [&](size_t i, float otherwise) -> std::optional<float> {
    if (node.input(i) == kNoValue) return otherwise;
    const Tensor* t = l.graph.constant(node.input(i));
    return t && t->count() == 1 ? std::optional(static_cast<float>(element_as_double(t->view(), 0))) : std::nullopt;
  };
  if (node.op == "Relu") {
    Elementwise e = identity(channels);
    clip(e, 0, kInfinity);
    return e;
  }
  if (node.op == "Clip") {
    auto lo = scalar(1, -kInfinity), hi = scalar(2, kInfinity);
    if (!lo || !hi) return std::nullopt;
    Elementwise e = identity(channels);
    clip(e, *lo, *hi);
    return e;
  }
  if (node.op == "LeakyRelu") {
    Elementwise e = identity(channels);
    e.act = Activation::leaky;
    e.scalars.alpha = node.attrs.float_or("alpha", 0.01f);
    return e;
  }
  if (node.op == "Sigmoid") {
    Elementwise e;
    e.op = ElementwiseOp::sigmoid_f32;
    return e;
  }
  if (node.op == "BatchNormalization") {
    const Tensor* p[4];
    for (size_t i = 0; i < 4; ++i)
      if (!(p[i] = l.graph.constant(node.input(i + 1)))) return std::nullopt;
    const double epsilon = node.attrs.float_or("epsilon", 1e-5f);
    std::vector<float> mult, bias;
    for (int64_t c = 0; c < channels; ++c) {
      auto at = [&](int i) { return element_as_double(p[i]->view(), c); };
      const double factor = at(0) / std::sqrt(at(3) + epsilon);
      mult.push_back(static_cast<float>(factor));
      bias.push_back(static_cast<float>(at(1) - at(2) * factor));
    }
    return affine(std::move(mult), std::move(bias));
  }
  return std::nullopt;
}

// x op constant, for the four operations that are affine in x.
std::optional<Elementwise> with_constant(Lowering& l, const Node& node, size_t& operand) {
  const int64_t channels = l.shape(node.output())[1];
  for (size_t i : {size_t{1}, size_t{0}}) {
    const Tensor* t = node.inputs.size() == 2 ? l.graph.constant(node.input(i)) : nullptr;
    if (!t || l.shape(node.input(1 - i)) != l.shape(node.output())) continue;
    std::vector<float> values = per_channel(*t, channels), ones(static_cast<size_t>(channels), 1.0f),
                       zeros(ones.size(), 0.0f);
    if (values.empty()) continue;
    operand = 1 - i;
    std::vector<float> negated = values, inverse = values, minus_ones(ones.size(), -1.0f);
    for (float& v : negated) v = -v;
    for (float& v : inverse) v = 1.0f / v;
    if (node.op == "Add") return affine(ones, values);
    if (node.op == "Mul") return affine(values, zeros);
    if (node.op == "Sub") return i == 1 ? affine(ones, negated) : affine(minus_ones, values);
    if (node.op == "Div" && i == 1) return affine(inverse, zeros);
  }
  return std::nullopt;
}

std::optional<ElementwiseOp> binary_f32(const std::string& op) {
  if (op == "Add") return ElementwiseOp::add_f32;
  if (op == "Sub") return ElementwiseOp::sub_f32;
  if (op == "Mul") return ElementwiseOp::mul_f32;
  if (op == "Div") return ElementwiseOp::div_f32;
  if (op == "Min") return ElementwiseOp::min_f32;
  if (op == "Max") return ElementwiseOp::max_f32;
  return std::nullopt;
}

std::optional<Elementwise> unary_u8(Lowering& l, const Node& node) {
  Elementwise e;
  if (node.op == "ql.Lut") {
    const Tensor* table = l.graph.constant(node.input(1));
    if (!table || table->count() != 256) return std::nullopt;
    e.op = ElementwiseOp::lut;
    e.params = [table = *table](const PlanarValue&) {
      auto packed = pack_lut(std::span<const uint8_t, 256>(table.as<uint8_t>(), 256));
      return as_bytes(std::vector<uint8_t>(packed.begin(), packed.end()));
    };
    return e;
  }
  if (node.op != "ql.Requantize") return std::nullopt;
  const Tensor *mult = l.graph.constant(node.input(1)), *bias = l.graph.constant(node.input(2)),
               *zero = l.graph.constant(node.input(3));
  if (!mult || !bias || !zero) return std::nullopt;
  e.op = ElementwiseOp::requantize;
  read_u8_range(e.scalars, node.attrs);
  // Four channels an entry, in the order of the value's channels; one for all when nothing differs between them.
  const int64_t count = std::max({mult->count(), bias->count(), zero->count()});
  std::vector<RequantizeChannels> channels(static_cast<size_t>((count + 3) / 4));
  for (int64_t c = 0; c < count; ++c) {
    auto at = [&](const Tensor& t) { return static_cast<float>(element_as_double(t.view(), t.count() == 1 ? 0 : c)); };
    RequantizeChannels& entry = channels[static_cast<size_t>(c / 4)];
    entry.mult[c % 4] = at(*mult);
    entry.bias[c % 4] = at(*bias);
    entry.in_zero[c % 4] = at(*zero);
  }
  if (auto folded = fold_requantize(channels, e.scalars)) {
    e.op = ElementwiseOp::requantize_folded;
    channels = std::move(*folded);
  }
  e.params = [channels = std::move(channels), count](const PlanarValue& planes) {
    std::vector<RequantizeChannels> entries;
    for (const PlaneRef& p : planes.planes) {
      RequantizeChannels r{};
      for (size_t lane = 0; lane < 4; ++lane) {
        if (p.channels[lane] < 0) continue;
        const size_t c = count == 1 ? 0 : static_cast<size_t>(p.channels[lane]);
        const RequantizeChannels& from = channels[c / 4];
        r.mult[lane] = from.mult[c % 4];
        r.bias[lane] = from.bias[c % 4];
        r.in_zero[lane] = from.in_zero[c % 4];
      }
      entries.push_back(r);
    }
    return as_bytes(entries);
  };
  return e;
}

Elementwise binary_u8(const Node& node, bool channels) {
  Elementwise e;
  const bool add = node.op == "ql.Add";
  e.op = add ? ElementwiseOp::add_u8 : channels ? ElementwiseOp::mul_u8_channels : ElementwiseOp::mul_u8;
  e.scalars.a_mult = node.attrs.float_or(add ? "a_mult" : "mult", 1.0f);
  e.scalars.b_mult = node.attrs.float_or("b_mult", 1.0f);
  e.scalars.a_zero = static_cast<float>(node.attrs.int_or("a_zero", 0));
  e.scalars.b_zero = static_cast<float>(node.attrs.int_or("b_zero", 0));
  read_u8_range(e.scalars, node.attrs);
  return e;
}

Emit emit_elementwise(Lowering& l, run::StepInfo info, Elementwise what, bool flat, PlanarValue a,
                      std::optional<PlanarValue> b, PlanarValue out) {
  return [=, &l](Emitter& e) -> Status {
    const Geometry& g = e.geometry(out);
    ElementwiseSpec spec{l.isa, what.op, what.act, flat ? RowShape{} : RowShape{g.w, g.gap}};
    QL_TRY(KernelId kernel, e.kernel(describe(spec), [&] { return generate(spec); }));
    size_t params = what.params ? e.constant(what.params(a)) : 0, lanes = flat ? e.lanes(g) : 0;
    run::StepInfo step = info;
    step.kernel = describe(spec);
    step.bytes_written = e.pixel_bytes(out);
    step.bytes_read = e.pixel_bytes(a) + (b ? e.pixel_bytes(*b) : 0);
    auto touched = b ? buffers_of({&a, &*b, &out}) : buffers_of({&a, &out});
    e.step(std::move(step), touched, [=, &l](const Addresses& at) {
      auto s = std::make_unique<run::ElementwiseStep>();
      s->flat = flat;
      s->a = {l.layouts.geometry(a.layout), at.planes(a), false};
      if (b) {
        const Geometry& bg = l.layouts.geometry(b->layout);
        s->b = {bg, at.planes(*b), bg.h * bg.w == 1 && g.h * g.w != 1};
      }
      s->dst = {g, at.planes(out), at.pads(out)};
      s->kernel = at.kernel(kernel);
      s->params = params;
      s->lanes = lanes;
      s->scalars = what.scalars;
      return s;
    });
    return {};
  };
}

}  // namespace

PlanarValue private_copy(Lowering& l, const std::string& name, const PlanarValue& x, const std::string& why) {
  const LayoutId layout = l.layouts.add_like(x.layout);
  PlanarValue copy = l.layouts.fresh_like(x, layout);
  run::StepInfo info;
  info.name = name + ".copy";
  info.op = "copy planes";
  info.note = why;
  l.emit(emit_elementwise(l, info, {}, /*flat=*/false, x, std::nullopt, copy));
  return copy;
}

Result<Verdict> lower_elementwise(Lowering& l, const Node& node) {
  const TensorType& type = l.graph.at(node.output()).type;
  if (!can_be_planar(type)) return declined("only 4-dimensional u8 and f32 values have planes");
  const bool integer = node.op.starts_with("ql.");
  size_t operand = 0;
  std::optional<Elementwise> what = integer ? unary_u8(l, node) : unary_f32(l, node);
  if (!what && !integer) what = with_constant(l, node, operand);
  std::optional<PlanarValue> b;
  QL_TRY(auto a, l.planar(node.input(operand)));
  if (!a || a->dtype != type.dtype) return declined("the operand has no planes");
  if (l.shape(node.input(operand)) != type.shape) return declined("broadcasts its first operand");
  if (!what) {
    if (node.inputs.size() != 2)
      return declined(cat(node.inputs.size(), " operands, or parameters that are not constants"));
    const Shape& bs = l.shape(node.input(1));
    const bool channels = bs.size() == 4 && bs[0] == type.shape[0] && bs[1] == type.shape[1] && bs[2] == 1 &&
                          bs[3] == 1 && bs != type.shape;
    if (bs != type.shape && !channels)
      return declined(cat("broadcasts ", to_string(bs), " to ", to_string(type.shape)));
    QL_TRY(b, l.planar(node.input(1)));
    if (!b || b->dtype != a->dtype || !same_channels(*a, *b))
      return declined("the operands' channels lie in different lanes");
    if (integer) {
      if (channels && node.op != "ql.Mul") return declined("only ql.Mul takes one value for each channel");
      what = binary_u8(node, channels);
    } else {
      what = Elementwise{};
      auto op = binary_f32(node.op);
      if (!op || (channels && node.op != "Mul"))
        return declined(cat("broadcasts ", to_string(bs), " to ", to_string(type.shape)));
      what->op = channels ? ElementwiseOp::mul_f32_channels : *op;
    }
    if (!channels) l.layouts.same_geometry(a->layout, b->layout);
  }
  PlanarValue out = l.layouts.fresh_like(*a, l.layouts.add(type.shape[0], type.shape[2], type.shape[3]));
  l.layouts.same_geometry(out.layout, a->layout);
  l.define(node.output(), out);
  run::StepInfo info = make_info(node);
  l.emit(emit_elementwise(l, info, *what, /*flat=*/true, *a, b, out));
  return Verdict{};
}

}  // namespace quadlane::compile
