// Elementwise operators on f32 planes: activation(a op b), with b from pixels, a pixel or a constant of the plane.
#include "jit/kernels/elementwise_bodies.h"

namespace quadlane {
namespace {

class F32Body final : public ElementwiseBody {
 public:
  F32Body(Assembler& a, const ElementwiseSpec& spec) : a_(a), spec_(spec) {
    if (spec.op == ElementwiseOp::affine_f32)
      channel_ = a.vecs("channel", 2);
    else if (is_binary(spec.op) && spec.second != Second::planes)
      channel_ = a.vecs("channel", 1);
    parameters_ = a.vecs("parameter", activation_parameters(spec.act));
  }

  void load_constants() override {
    Scalars s(a_);
    const bool clip = spec_.act == Activation::clip;
    const size_t fields[] = {clip ? offsetof(ElementwiseScalars, v_lo) : offsetof(ElementwiseScalars, alpha),
                             clip ? offsetof(ElementwiseScalars, v_hi) : offsetof(ElementwiseScalars, beta)};
    for (size_t i = 0; i < parameters_.size(); ++i) s.broadcast(parameters_[i], fields[i]);
  }

  void load_plane(const Gp& index, const Gp& second) override {
    if (channel_.empty()) return;
    if (spec_.op != ElementwiseOp::affine_f32 && spec_.second == Second::pixel)
      return a_.vbroadcastss(channel_[0], a_.ptr[second]);
    Gp params = a_.gp("params");
    a_.load_arg(params, offsetof(ElementwiseArgs, params));
    static_assert(sizeof(AffineChannel) == 8);
    a_.vbroadcastss(channel_[0], a_.ptr[params + index * 8 + offsetof(AffineChannel, mult)]);
    if (channel_.size() == 2) a_.vbroadcastss(channel_[1], a_.ptr[params + index * 8 + offsetof(AffineChannel, bias)]);
  }

  void compute(const Vec& v, const Vec& other) override {
    arithmetic(v, channel_.empty() ? other : channel_[0]);
    apply(spec_.act, v, parameters_.size() > 0 ? &parameters_[0] : nullptr,
          parameters_.size() > 1 ? &parameters_[1] : nullptr);
  }

 private:
  void arithmetic(const Vec& v, const Vec& b) {
    const Vec &left = spec_.reversed ? b : v, &right = spec_.reversed ? v : b;
    switch (spec_.op) {
      case ElementwiseOp::add_f32: return a_.vaddps(v, left, right);
      case ElementwiseOp::sub_f32: return a_.vsubps(v, left, right);
      case ElementwiseOp::mul_f32: return a_.vmulps(v, left, right);
      case ElementwiseOp::div_f32: return a_.vdivps(v, left, right);
      case ElementwiseOp::min_f32: return a_.vminps(v, left, right);
      case ElementwiseOp::max_f32: return a_.vmaxps(v, left, right);
      case ElementwiseOp::prelu_f32: return apply(Activation::leaky, v, &b, nullptr);
      case ElementwiseOp::affine_f32: a_.vmulps(v, v, channel_[0]); return a_.vaddps(v, v, channel_[1]);
      default: return;
    }
  }
  void apply(Activation act, const Vec& v, const Vec* alpha, const Vec* beta) {
    std::vector<Vec> temps = a_.vecs("temp", activation_temps(act));
    std::vector<const Vec*> pointers;
    for (const Vec& t : temps) pointers.push_back(&t);
    emit_activation(a_, act, v, pointers, alpha, beta);
  }

  Assembler& a_;
  const ElementwiseSpec& spec_;
  std::vector<Vec> channel_, parameters_;
};

}  // namespace

std::unique_ptr<ElementwiseBody> make_f32_body(Assembler& a, const ElementwiseSpec& spec) {
  return std::make_unique<F32Body>(a, spec);
}

}  // namespace quadlane
