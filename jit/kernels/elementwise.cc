// Elementwise kernels. Tile: one register of pixels; u8 arithmetic works on its four groups (see quads.h).
//
//   for each plane: load the plane's operands
//     flat:  for each 16-pixel vector: load, compute, padding into lanes that are no pixels, store
//     rows:  for each row: walk its vectors; the last one loads its pixels only
#include "jit/kernels/elementwise.h"

#include "jit/kernels/elementwise_bodies.h"

namespace quadlane {
namespace {

class Elementwise {
 public:
  Elementwise(Assembler& a, const ElementwiseSpec& spec)
      : a_(a),
        spec_(spec),
        binary_(is_binary(spec.op) && spec.second == Second::planes),
        body_(make_elementwise_body(a, spec)) {}
  void generate();

 private:
  void plane();
  void flat();
  void flat_vector(const Gp* lanes);
  void rows();
  void start(const Gp& to, const Gp& planes, size_t base);

  Assembler& a_;
  const ElementwiseSpec& spec_;
  bool binary_;  // the second operand has pixels of its own
  std::unique_ptr<ElementwiseBody> body_;
  Gp a_planes_ = a_.gp("a planes"), dst_planes_ = a_.gp("dst planes"), pads_ = a_.gp("pads");
  Gp src_ = a_.gp("a"), second_ = a_.gp("b"), dst_ = a_.gp("dst"), x_ = a_.gp("x"), index_ = a_.gp("plane index");
  Vec pad_ = a_.vec("pad"), value_ = a_.vec("value"), other_ = a_.vec("b value");
};

void Elementwise::generate() {
  body_->load_constants();
  a_.load_arg(a_planes_, offsetof(ElementwiseArgs, a_planes));
  a_.load_arg(dst_planes_, offsetof(ElementwiseArgs, dst_planes));
  a_.load_arg(pads_, offsetof(ElementwiseArgs, dst_pad));
  a_.xor_(index_, index_);
  for_planes(a_, offsetof(ElementwiseArgs, planes), [&] {
    plane();
    a_.inc(index_);
  });
}

void Elementwise::start(const Gp& to, const Gp& planes, size_t base) {
  a_.mov(to, a_.ptr[planes + index_ * 8]);
  a_.add(to, a_.ptr[a_.args() + base]);
}

void Elementwise::plane() {
  start(src_, a_planes_, offsetof(ElementwiseArgs, a));
  start(dst_, dst_planes_, offsetof(ElementwiseArgs, dst));
  if (is_binary(spec_.op) && spec_.second != Second::channel) {
    a_.load_arg(x_, offsetof(ElementwiseArgs, b_planes));
    start(second_, x_, offsetof(ElementwiseArgs, b));
  }
  a_.vpbroadcastd(pad_, a_.ptr[pads_ + index_ * 4]);
  body_->load_plane(index_, second_);
  spec_.flat() ? flat() : rows();
}

void Elementwise::flat() {
  Gp count = a_.gp("vectors"), lanes = a_.gp("lanes");
  a_.load_arg(count, offsetof(ElementwiseArgs, count));
  a_.load_arg(lanes, offsetof(ElementwiseArgs, lanes));
  a_.xor_(x_, x_);
  Xbyak::Label top, some_padding, next, end;
  a_.test(count, count);
  a_.jz(end);
  a_.align(32);
  a_.L(top);
  a_.cmp(a_.word[lanes], -1);
  a_.jne(some_padding);
  flat_vector(nullptr);
  a_.L(next);
  a_.add(x_, kVectorPixels * kPixelBytes);
  a_.add(lanes, sizeof(uint16_t));
  a_.dec(count);
  a_.jnz(top);
  a_.jmp(end);
  a_.L(some_padding);  // few vectors have a lane in a gap: their code is out of the way
  flat_vector(&lanes);
  a_.jmp(next);
  a_.L(end);
}

void Elementwise::flat_vector(const Gp* lanes) {
  for (int half = 0; half < a_.registers(); ++half) {
    int bytes = half * a_.vector_bytes();
    a_.load(value_, a_.ptr[src_ + x_ + bytes]);
    if (binary_) a_.load(other_, a_.ptr[second_ + x_ + bytes]);
    body_->compute(value_, other_);
    if (lanes) {
      Mask pixels = a_.mask("pixels");
      a_.load_lanes(pixels, a_.ptr[*lanes], half);
      a_.blend(value_, pixels, value_, pad_);
    }
    a_.store(a_.ptr[dst_ + x_ + bytes], value_);
  }
}

void Elementwise::rows() {
  Gp count = a_.gp("rows");
  a_.load_arg(count, offsetof(ElementwiseArgs, count));
  a_.loop(count, [&] {
    a_.xor_(x_, x_);
    walk_row(a_, spec_.row, a_.lanes(), {{x_, a_.vector_bytes()}}, [&](int at) {
      load_row_exact(a_, value_, a_.ptr[src_ + x_], at, spec_.row.w);
      if (binary_) load_row_exact(a_, other_, a_.ptr[second_ + x_], at, spec_.row.w);
      body_->compute(value_, other_);
      store_row(a_, a_.ptr[dst_ + x_], value_, pad_, at, spec_.row,
                spec_.op == ElementwiseOp::copy ? RowStore::halves : RowStore::whole);
    });
    a_.add(src_, a_.ptr[a_.args() + offsetof(ElementwiseArgs, a_row_bytes)]);
    if (binary_) a_.add(second_, a_.ptr[a_.args() + offsetof(ElementwiseArgs, b_row_bytes)]);
    a_.add(dst_, a_.ptr[a_.args() + offsetof(ElementwiseArgs, dst_row_bytes)]);
  });
}

}  // namespace

const char* to_string(ElementwiseOp op) {
  switch (op) {
    case ElementwiseOp::copy: return "copy";
    case ElementwiseOp::requantize: return "requantize";
    case ElementwiseOp::requantize_folded: return "requantize_folded";
    case ElementwiseOp::prelu_u8: return "prelu_u8";
    case ElementwiseOp::lut: return "lut";
    case ElementwiseOp::lut_vbmi: return "lut_vbmi";
    case ElementwiseOp::lut_channels: return "lut_channels";
    case ElementwiseOp::lut_channels_vbmi: return "lut_channels_vbmi";
    case ElementwiseOp::add_u8: return "add_u8";
    case ElementwiseOp::mul_u8: return "mul_u8";
    case ElementwiseOp::unary_f32: return "unary_f32";
    case ElementwiseOp::add_f32: return "add_f32";
    case ElementwiseOp::sub_f32: return "sub_f32";
    case ElementwiseOp::mul_f32: return "mul_f32";
    case ElementwiseOp::div_f32: return "div_f32";
    case ElementwiseOp::min_f32: return "min_f32";
    case ElementwiseOp::max_f32: return "max_f32";
    case ElementwiseOp::prelu_f32: return "prelu_f32";
    case ElementwiseOp::affine_f32: return "affine_f32";
  }
  return "?";
}

std::string describe(const ElementwiseSpec& s) {
  std::string name = s.reversed ? cat("reversed_", to_string(s.op)) : to_string(s.op);
  if (is_binary(s.op) && s.second != Second::planes) name += s.second == Second::pixel ? "_pixel" : "_channel";
  if (s.act != Activation::none) name += cat(" ", to_string(s.act));
  name += describe(s.facts.rounding);
  if (s.facts.no_a_zero) name += " a_zero0";
  if (s.facts.no_b_zero) name += " b_zero0";
  return cat(name, " ", s.flat() ? "flat" : describe(s.row), " ", to_string(s.isa));
}

Result<MachineCode> generate(const ElementwiseSpec& spec, const GenerateOptions& options) {
  if (spec.row.w < 0 || spec.row.gap < 0) return invalid_argument(describe(spec), ": negative extent");
  if (!is_f32(spec.op) && (spec.act != Activation::none || spec.second == Second::channel || spec.reversed))
    return invalid_argument(describe(spec), ": only f32 operators take activations, constants and reversed operands");
  const bool permutes = spec.op == ElementwiseOp::lut_vbmi || spec.op == ElementwiseOp::lut_channels_vbmi;
  if (permutes && spec.isa != Isa::avx512_vnni)
    return unsupported(describe(spec), ": permutations of bytes are AVX-512");
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) { Elementwise(a, spec).generate(); });
}

}  // namespace quadlane
