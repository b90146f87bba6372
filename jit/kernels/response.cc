// y[c] = x[c] * (bias + scale * sum of x[k]^2)^-beta, k from c - below to c + above, as far as there are planes
//
// Tile: a few neighbouring vectors. The power is exp(-beta * log(.)). The squares are summed anew for each plane: what
// the window has left would stay behind in a sliding sum as its rounding, which may be large beside small neighbours.
// The window's planes are in the first-level cache.
#include "jit/kernels/response.h"

#include <bit>

#include "jit/kernels/functions.h"

namespace quadlane {
namespace {

class Response {
 public:
  Response(Assembler& a, const ResponseSpec& s) : a_(a), s_(s) {}
  void generate();

 private:
  void tile(int n);  // of n registers of pixels
  void sum_window(const std::vector<Vec>& sums);
  void apply(Activation act, const Vec& v);
  void point_to(const Gp& plane);
  Xbyak::Address source(size_t i) { return a_.ptr[src_ + x_ + static_cast<int>(i) * a_.vector_bytes()]; }
  Xbyak::Address arg(size_t offset) { return a_.ptr[a_.args() + static_cast<int>(offset)]; }
  Xbyak::Address real(float value) { return a_.constant_lanes(std::bit_cast<uint32_t>(value)); }

  Assembler& a_;
  const ResponseSpec& s_;
  Gp src_planes_ = a_.gp("src planes"), x_ = a_.gp("x"), src_ = a_.gp("src"), dst_ = a_.gp("dst"),
     plane_ = a_.gp("plane"), lanes_ = a_.gp("lanes");
};

void Response::generate() {
  a_.load_arg(src_planes_, offsetof(ChannelsArgs, src_planes));
  a_.load_arg(lanes_, offsetof(ChannelsArgs, lanes));
  Gp count = a_.gp("vectors");
  a_.load_arg(count, offsetof(ChannelsArgs, count));
  a_.xor_(x_, x_);
  const int vectors = a_.avx512() ? 4 : 1;
  auto tiles = [&](int of) {
    Xbyak::Label top, done;
    a_.L(top);
    a_.cmp(count, of);
    a_.jl(done);
    tile(of * a_.registers());
    a_.add(x_, of * kVectorPixels * kPixelBytes);
    a_.add(lanes_, of * static_cast<int>(sizeof(uint16_t)));
    a_.sub(count, of);
    a_.jmp(top);
    a_.L(done);
  };
  tiles(vectors);
  if (vectors > 1) tiles(1);
}

void Response::point_to(const Gp& plane) {
  a_.mov(src_, a_.ptr[src_planes_ + plane * 8]);
  a_.add(src_, arg(offsetof(ChannelsArgs, src)));
}

void Response::apply(Activation act, const Vec& v) {
  std::vector<Vec> temps = a_.vecs("temp", activation_temps(act));
  std::vector<const Vec*> pointers;
  for (const Vec& t : temps) pointers.push_back(&t);
  emit_activation(a_, act, v, pointers, nullptr, nullptr);
}

// Of the squares of the planes around plane_.
void Response::sum_window(const std::vector<Vec>& sums) {
  Gp at = a_.gp("plane of the window"), left = a_.gp("planes left"), most = a_.gp("most");
  a_.xor_(most, most);
  a_.mov(at, plane_);
  a_.sub(at, s_.below);
  a_.cmovl(at, most);
  a_.load_arg(most, offsetof(ChannelsArgs, planes));
  a_.lea(left, a_.ptr[plane_ + (s_.above + 1)]);
  a_.cmp(left, most);
  a_.cmovg(left, most);
  a_.sub(left, at);
  for (const Vec& sum : sums) a_.zero(sum);
  Vec v = a_.vec("v");
  a_.loop(left, [&] {
    point_to(at);
    for (size_t i = 0; i < sums.size(); ++i) {
      a_.load(v, source(i));
      a_.vfmadd231ps(sums[i], v, v);
    }
    a_.inc(at);
  });
}

void Response::tile(int n) {
  std::vector<Vec> sums = a_.vecs("sum", n);
  Vec bias = a_.vec("bias"), pad = a_.vec("pad");
  a_.load(bias, real(s_.bias));
  Gp planes = a_.gp("planes"), pointer = a_.gp("pointer");
  a_.load_arg(planes, offsetof(ChannelsArgs, planes));
  a_.xor_(plane_, plane_);
  a_.loop(planes, [&] {
    sum_window(sums);
    point_to(plane_);
    a_.load_arg(pointer, offsetof(ChannelsArgs, dst_planes));
    a_.mov(dst_, a_.ptr[pointer + plane_ * 8]);
    a_.add(dst_, arg(offsetof(ChannelsArgs, dst)));
    a_.load_arg(pointer, offsetof(ChannelsArgs, dst_pad));
    a_.vpbroadcastd(pad, a_.ptr[pointer + plane_ * 4]);
    for (size_t i = 0; i < sums.size(); ++i) {
      const Vec& v = sums[i];
      a_.vfmadd132ps(v, bias, real(s_.scale));
      apply(Activation::log, v);
      a_.vmulps(v, v, real(-s_.beta));
      apply(Activation::exp, v);
      a_.vmulps(v, v, source(i));
      Mask pixels = a_.mask("pixels");
      const int number = static_cast<int>(i), vector = number / a_.registers();
      a_.load_lanes(pixels, a_.ptr[lanes_ + vector * static_cast<int>(sizeof(uint16_t))], number % a_.registers());
      a_.blend(v, pixels, v, pad);
      a_.store(a_.ptr[dst_ + x_ + number * a_.vector_bytes()], v);
    }
    a_.inc(plane_);
  });
}

}  // namespace

std::string describe(const ResponseSpec& s) {
  return cat("response -", s.below, "+", s.above, " scale", s.scale, ":", std::bit_cast<uint32_t>(s.scale), " bias",
             s.bias, ":", std::bit_cast<uint32_t>(s.bias), " beta", s.beta, ":", std::bit_cast<uint32_t>(s.beta), " ",
             to_string(s.isa));
}

Result<MachineCode> generate(const ResponseSpec& s, const GenerateOptions& options) {
  constexpr int kMost = 1 << 20;
  if (s.below < 0 || s.above < 0 || s.below > kMost || s.above > kMost)
    return unsupported(describe(s), ": a window of more than ", kMost, " planes");
  return assemble(describe(s), s.isa, options, [&](Assembler& a) { Response(a, s).generate(); });
}

}  // namespace quadlane
