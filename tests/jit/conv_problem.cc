#include "tests/jit/conv_problem.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>

#include "jit/code_memory.h"
#include "tests/support/emulator.h"

namespace quadlane::testing {
namespace {

// Rows and columns are coded in the spec's taps as (dy * kRow + dx) pixels until the geometry is known.
constexpr int64_t kRow = 1 << 16;

struct Reach {
  int columns = 0, rows = 0;
};
Reach reach_of(const ConvSpec& spec) {
  Reach reach;
  for (const auto& section : spec.taps)
    for (int64_t tap : section) {
      int64_t pixels = tap / kPixelBytes, rows = (pixels + kRow / 2) >> 16, columns = pixels - rows * kRow;
      reach.columns = std::max(reach.columns, static_cast<int>(std::abs(columns)));
      reach.rows = std::max(reach.rows, static_cast<int>(std::abs(rows)));
    }
  return reach;
}

Geometry geometry_for(const ConvSpec& spec, Rng& rng) {
  Reach reach = reach_of(spec);
  int n = pick(rng, 1, 2), h = pick(rng, 1, 9), w = pick(rng, 1, 24);
  return make_geometry(n, h, w, reach.columns + pick(rng, 0, 1), reach.rows + pick(rng, 0, 1), reach.rows).value();
}

// The same pixels and pitch with other padding rows.
Geometry same_pitch(const Geometry& g, Rng& rng) {
  return make_geometry(g.n, g.h, g.w, g.gap, pick(rng, 0, 2), pick(rng, 0, 2)).value();
}

template <class T>
T read(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

}  // namespace

ConvSpec random_conv_spec(Isa isa, Rng& rng) {
  for (;;) {
    ConvSpec s;
    s.isa = isa;
    const int types = pick(rng, 0, 9);
    s.src = types < 7 ? DType::u8 : DType::f32;
    s.dst = types < 5 ? DType::u8 : DType::f32;
    s.pv = pick(rng, 1, pick(rng, 1, 8));
    s.no = pick(rng, 0, 3) ? 4 * pick(rng, 1, 5) : pick(rng, 1, 17);
    const int sections = pick(rng, 0, 2) ? 1 : pick(rng, 2, 4);
    for (int i = 0; i < sections; ++i) {
      const bool large = pick(rng, 0, 5) == 0;
      const int kh = pick(rng, 1, large ? 7 : 3), kw = pick(rng, 1, large ? 7 : 3),
                d = pick(rng, 0, 4) ? 1 : pick(rng, 1, 3);
      std::vector<int64_t> taps;
      for (int y = 0; y < kh; ++y)
        for (int x = 0; x < kw; ++x) taps.push_back(((y - kh / 2) * d * kRow + (x - kw / 2) * d) * kPixelBytes);
      if (pick(rng, 0, 6) == 0) std::shuffle(taps.begin(), taps.end(), rng);  // no rows to be found
      s.taps.push_back(std::move(taps));
    }
    s.clamp_lo = pick(rng, 0, 2) == 0;
    s.clamp_hi = pick(rng, 0, 4) == 0;
    if (pick(rng, 0, 2) == 0) s.residual = s.dst == DType::u8 ? ConvResidual::u8 : ConvResidual::f32;
    s.residual_zero = pick(rng, 0, 1);
    if (s.dst == DType::f32) s.act = static_cast<Activation>(pick(rng, 0, 6));
    s.shift = s.src == DType::u8 && s.dst == DType::f32 && pick(rng, 0, 1) == 0;
    s.slope = s.residual == ConvResidual::none && s.act == Activation::none && pick(rng, 0, 1);
    s.rounding.bounded = s.dst == DType::u8 && pick(rng, 0, 1);
    s.table = s.dst == DType::u8 && may_permute_bytes(isa) && pick(rng, 0, 2) == 0;
    s.prefetch = pick(rng, 0, 1) * 256;
    s.weight_registers = has_avx512(isa) && pick(rng, 0, 1);
    const int all = s.pv * (has_avx512(isa) ? 1 : 2);
    if (pick(rng, 0, 1)) s.pass_registers = pick(rng, 1, all);
    if (all % std::max(1, s.pass_registers) == 0 && check(s).ok()) return s;
  }
}

ConvProblem::ConvProblem(const ConvSpec& s, Rng& rng)
    : spec(s),
      src_geometry(geometry_for(s, rng)),
      dst_geometry(same_pitch(src_geometry, rng)),
      section_planes([&] {
        std::vector<int64_t> counts;
        for (size_t i = 0; i < s.taps.size(); ++i) counts.push_back(pick(rng, 1, pick(rng, 1, 9)));
        return counts;
      }()),
      src(src_geometry, static_cast<int>(planes()), rng),
      dst(dst_geometry, dst_plane_count(s), rng),
      residual(dst_geometry, dst_plane_count(s), rng),
      clamp_lo(static_cast<size_t>(64 * planes())),
      clamp_hi(static_cast<size_t>(64 * planes())) {
  for (auto& section : spec.taps)
    for (int64_t& tap : section) {
      int64_t pixels = tap / kPixelBytes, rows = (pixels + kRow / 2) >> 16, columns = pixels - rows * kRow;
      tap = (rows * src_geometry.pitch + columns) * kPixelBytes;
    }
  make_sources(rng);
  make_epilogue(rng);
  lanes = valid_lanes(dst_geometry);
  if (pick(rng, 0, 3) == 0)
    for (uint16_t& word : lanes) word = static_cast<uint16_t>(rng());  // any holes
}

int64_t ConvProblem::planes() const {
  int64_t sum = 0;
  for (int64_t n : section_planes) sum += n;
  return sum;
}

int64_t ConvProblem::weight_index(size_t section, int64_t plane, size_t tap, int o) const {
  int64_t at = 0;
  for (size_t s = 0; s < section; ++s) at += section_planes[s] * static_cast<int64_t>(spec.taps[s].size());
  return (at + plane * static_cast<int64_t>(spec.taps[section].size()) + static_cast<int64_t>(tap)) * spec.no + o;
}

// Pixels, weights, bias and clamps. One problem in six is made of extremes only.
void ConvProblem::make_sources(Rng& rng) {
  int64_t count = 0;
  for (size_t s = 0; s < spec.taps.size(); ++s)
    count += section_planes[s] * static_cast<int64_t>(spec.taps[s].size()) * spec.no;
  const bool extreme = pick(rng, 0, 5) == 0;
  const int kind = pick(rng, 0, 3);
  for (int o = 0; o < spec.no; ++o) {
    bias_s32.push_back(pick(rng, -100000, 100000));
    bias_f32.push_back(std::uniform_real_distribution<float>(-2, 2)(rng));
  }
  if (spec.src == DType::f32) {
    for (int64_t i = 0; i < count; ++i) weights_f32.push_back(std::uniform_real_distribution<float>(-1, 1)(rng));
    fill_floats(src.bytes, rng, -3, 3);
    fill_floats(clamp_lo, rng, -2, 0);
    fill_floats(clamp_hi, rng, 0, 2);
    weights = pack_conv_weights(spec, section_planes, [&](int o, int s, int64_t plane, int tap) {
      return weights_f32[static_cast<size_t>(weight_index(static_cast<size_t>(s), plane, static_cast<size_t>(tap), o))];
    });
  } else {
    // Any weights, small ones, or small ones with a few large: AVX2 packs them in different ways.
    const int size = pick(rng, 0, 2);
    for (int64_t i = 0; i < 4 * count; ++i) {
      const bool large = size == 0 || (size == 2 && pick(rng, 0, 20 * spec.no) == 0);
      int w = large ? pick(rng, -128, 127) : pick(rng, -64, 64);
      if (extreme) w = kind == 0 ? -128 : kind == 1 ? 127 : kind == 2 ? 0 : pick(rng, 0, 1) ? 127 : -128;
      weights_s8.push_back(static_cast<int8_t>(w));
    }
    if (extreme) std::memset(src.base(), 255, src.bytes.size());
    for (size_t i = 0; i < clamp_lo.size(); ++i) {
      clamp_lo.as<uint8_t>()[i] = static_cast<uint8_t>(pick(rng, 0, 200));
      clamp_hi.as<uint8_t>()[i] = static_cast<uint8_t>(pick(rng, clamp_lo.as<uint8_t>()[i], 255));
    }
    weights = pack_conv_weights(spec, section_planes, [&](int o, int s, int64_t plane, int tap, int c) {
      return weights_s8[static_cast<size_t>(
          4 * weight_index(static_cast<size_t>(s), plane, static_cast<size_t>(tap), o) + c)];
    });
  }
  for (const GuardedBytes* clamp : {&clamp_lo, &clamp_hi})  // one pixel's 4 bytes, repeated
    for (size_t i = 0; i < clamp->size(); i += 4)
      if (i % 64) std::memcpy(clamp->data() + i, clamp->data() + i / 64 * 64, 4);
}

void ConvProblem::make_epilogue(Rng& rng) {
  // Large sums mostly fill the output's range, sometimes leave it by far.
  const double terms = static_cast<double>(weights.size()) / spec.no;
  const float scale = static_cast<float>(100 / (3000 * std::sqrt(terms))) * (pick(rng, 0, 4) ? 1 : 30);
  for (int o = 0; o < spec.no; ++o) {
    shift.push_back(std::uniform_real_distribution<float>(-1, 1)(rng));
    mult.push_back(scale * std::uniform_real_distribution<float>(0.3f, 1.5f)(rng));
    if (!spec.rounding.bounded && pick(rng, 0, 9) == 0) mult.back() = 1e9f;  // beyond 2^31: the clamp must come first
  }
  if (spec.slope)
    for (int o = 0; o < spec.no; ++o) mult.push_back(std::uniform_real_distribution<float>(-0.5f, 1.5f)(rng));
  if (spec.table) append_table(mult, table_offset(spec.no, spec.slope), table = random_table(rng));
  epilogue.out_zero = pick(rng, 0, 2) ? pick(rng, 0, 255) : 0;
  const bool whole = pick(rng, 0, 2) == 0;
  int lo = whole || pick(rng, 0, 1) ? 0 : epilogue.out_zero, hi = whole || pick(rng, 0, 1) ? 255 : pick(rng, lo, 255);
  epilogue.v_lo = static_cast<float>(lo - epilogue.out_zero);
  epilogue.v_hi = static_cast<float>(hi - epilogue.out_zero);
  if (spec.dst == DType::u8 && pick(rng, 0, 1)) {
    const bool bounded = spec.rounding.bounded;
    spec.rounding = rounding_facts(0, epilogue.v_lo, epilogue.v_hi, epilogue.out_zero);
    spec.rounding.bounded = bounded;
  }
  epilogue.residual_mult = std::uniform_real_distribution<float>(0.1f, 1.2f)(rng);
  epilogue.residual_zero = spec.residual_zero ? pick(rng, 0, 255) : 0;
  epilogue.alpha = 0.1f;
  epilogue.beta = 0.5f;
  if (spec.dst == DType::f32) {
    epilogue.v_lo = -1.5f;
    epilogue.v_hi = 6;
    fill_floats(residual.bytes, rng, -4, 4);
  }
}

::testing::AssertionResult ConvProblem::run(bool native) {
  ConvArgs args{};
  const int64_t vectors = dst_geometry.vectors();
  std::copy(section_planes.begin(), section_planes.end(), args.section_planes);
  args.src_planes = src.offsets.data();
  args.weights = weights.data();
  args.bias = spec.src == DType::u8 ? static_cast<const void*>(bias_s32.data()) : bias_f32.data();
  args.mult = spec.src == DType::u8 || spec.slope ? mult.data() : nullptr;
  args.shift = spec.shift ? shift.data() : nullptr;
  args.clamp_lo = spec.clamp_lo ? clamp_lo.data() : nullptr;
  args.clamp_hi = spec.clamp_hi ? clamp_hi.data() : nullptr;
  args.dst_planes = dst.offsets.data();
  args.dst_pad = dst.pads.data();
  args.residual_planes = spec.residual == ConvResidual::none ? nullptr : residual.offsets.data();
  args.epilogue = &epilogue;
  auto launch = [&](int64_t first, int64_t tiles, int pv) -> Status {
    QL_TRY(MachineCode code, generate(with_vectors(spec, pv), poisoned()));
    CodeMemory memory;
    size_t entry = memory.place(code);
    Emulator emulator(code, spec.isa, spec.table);
    if (native) {
      QL_CHECK_OK(memory.seal());
    } else {
      auto allow = [&](const auto& list) {
        emulator.allow(list.data(), list.size() * sizeof(list[0]), Access::read, "constants");
      };
      emulator.allow(&args, sizeof args, Access::read, "args");
      emulator.allow(&epilogue, sizeof epilogue, Access::read, "epilogue");
      allow(src.offsets), allow(weights), allow(bias_s32), allow(bias_f32), allow(mult), allow(shift);
      allow(dst.offsets);
      allow(dst.pads), allow(residual.offsets), allow(lanes);
      if (spec.clamp_lo) emulator.allow(clamp_lo.data(), clamp_lo.size(), Access::read, "clamp_lo");
      if (spec.clamp_hi) emulator.allow(clamp_hi.data(), clamp_hi.size(), Access::read, "clamp_hi");
      for (int64_t offset : src.offsets)
        emulator.allow(src.base() + offset - src_geometry.origin * kPixelBytes,
                       static_cast<size_t>(src_geometry.plane_bytes()), Access::read, "source plane");
      // Stores: this call's vectors and nothing else.
      for (int image = 0; image < dst_geometry.n; ++image)
        for (size_t i = 0; i < dst.offsets.size(); ++i) {
          int64_t at = image * dst_geometry.image_bytes() + first * 64;
          emulator.allow(dst.base() + dst.offsets[i] + at, static_cast<size_t>(tiles * pv * 64), Access::read_write,
                         "dst");
          emulator.allow(residual.base() + residual.offsets[i] + at, static_cast<size_t>(tiles * pv * 64), Access::read,
                         "residual");
        }
    }
    for (int image = 0; image < dst_geometry.n; ++image) {
      args.src = src.base() + image * src_geometry.image_bytes() + first * 64;
      args.dst = dst.base() + image * dst_geometry.image_bytes() + first * 64;
      args.residual = residual.base() + image * dst_geometry.image_bytes() + first * 64;
      args.lanes = lanes.data() + first;
      args.tiles = tiles;
      if (native)
        memory.entry(entry)(&args);
      else
        QL_CHECK_OK(emulator.run(&args));
    }
    return {};
  };
  const int64_t tiles = vectors / spec.pv, left = vectors % spec.pv;
  Status status = tiles > 0 ? launch(0, tiles, spec.pv) : ok_status();
  if (status.ok() && left > 0) status = launch(tiles * spec.pv, 1, static_cast<int>(left));
  if (status.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << text() << ": " << status.error().text();
}

float ConvProblem::finish(float v, float r) const {
  if (spec.residual == ConvResidual::f32) v += r;
  const float alpha = epilogue.alpha;
  switch (spec.act) {
    case Activation::clip: return std::min(std::max(v, epilogue.v_lo), epilogue.v_hi);
    case Activation::leaky: return v < 0 ? v * alpha : v;
    case Activation::hard_sigmoid: return std::clamp(v * alpha + epilogue.beta, 0.0f, 1.0f);
    case Activation::hard_swish: return v * std::clamp(v / 6 + 0.5f, 0.0f, 1.0f);
    case Activation::sigmoid: return 1 / (1 + std::exp(-v));
    case Activation::swish: return v / (1 + std::exp(-v * alpha));
    default: return v;
  }
}

// The value of output o at pixel p of an image: a byte, or the bits of a float.
uint32_t ConvProblem::pixel(int image, int64_t p, int o) const {
  const bool u8 = spec.src == DType::u8;
  int64_t acc = u8 ? bias_s32[static_cast<size_t>(o)] : 0;
  double sum = u8 ? 0 : bias_f32[static_cast<size_t>(o)];
  size_t index = 0;
  for (size_t s = 0; s < spec.taps.size(); ++s)
    for (int64_t plane = 0; plane < section_planes[s]; ++plane, ++index)
      for (size_t t = 0; t < spec.taps[s].size(); ++t) {
        const std::byte* at =
            src.base() + src.offsets[index] + image * src_geometry.image_bytes() + p * kPixelBytes + spec.taps[s][t];
        auto weight = static_cast<size_t>(weight_index(s, plane, t, o));
        const std::byte *lo = clamp_lo.data() + 64 * index, *hi = clamp_hi.data() + 64 * index;
        if (u8) {
          for (size_t c = 0; c < 4; ++c) {
            int x = read<uint8_t>(at + c);
            if (spec.clamp_lo) x = std::max<int>(x, read<uint8_t>(lo + c));
            if (spec.clamp_hi) x = std::min<int>(x, read<uint8_t>(hi + c));
            acc += x * weights_s8[4 * weight + c];
          }
        } else {
          float x = read<float>(at);
          if (spec.clamp_lo) x = std::max(x, read<float>(lo));
          if (spec.clamp_hi) x = std::min(x, read<float>(hi));
          sum += static_cast<double>(x) * weights_f32[weight];
        }
      }
  const size_t plane = static_cast<size_t>(spec.dst == DType::u8 ? o / 4 : o);
  const std::byte* r = residual.base() + residual.offsets[plane] + image * dst_geometry.image_bytes() + p * kPixelBytes;
  float v = u8 ? static_cast<float>(static_cast<int32_t>(acc)) * mult[static_cast<size_t>(o)] : static_cast<float>(sum);
  if (spec.shift) v += shift[static_cast<size_t>(o)];
  if (spec.slope && v < 0) v *= mult[static_cast<size_t>(spec.no + o)];
  if (spec.dst == DType::f32) return std::bit_cast<uint32_t>(finish(v, read<float>(r)));
  if (spec.residual == ConvResidual::u8) {
    float other = static_cast<float>(read<uint8_t>(r + o % 4) - epilogue.residual_zero) * epilogue.residual_mult;
    v += other;
  }
  v = std::min(std::max(v, epilogue.v_lo), epilogue.v_hi);
  const auto y = static_cast<uint32_t>(epilogue.out_zero + static_cast<int32_t>(std::nearbyint(v)));
  return spec.table ? table[y] : y;
}

GuardedBytes ConvProblem::expected() const {
  GuardedBytes out = dst.bytes;
  for (int image = 0; image < dst_geometry.n; ++image)
    for (size_t plane = 0; plane < dst.offsets.size(); ++plane)
      for (int64_t p = 0; p < int64_t{dst_geometry.vectors()} * kVectorPixels; ++p) {
        uint32_t value = dst.pads[plane];
        if (lanes[static_cast<size_t>(p / kVectorPixels)] >> p % kVectorPixels & 1) {
          if (spec.dst == DType::f32) {
            value = pixel(image, p, static_cast<int>(plane));
          } else {
            value = 0;
            for (int c = 0; c < 4 && static_cast<int>(4 * plane) + c < spec.no; ++c)
              value |= pixel(image, p, static_cast<int>(4 * plane) + c) << 8 * c;
          }
        }
        std::memcpy(out.data() + dst.offsets[plane] + image * dst_geometry.image_bytes() + p * kPixelBytes, &value, 4);
      }
  return out;
}

::testing::AssertionResult ConvProblem::agrees(const GuardedBytes& expected) const {
  if (spec.src == DType::u8 && spec.act <= Activation::leaky) {  // other functions are exact to a few units only
    auto result = same_bytes(dst, expected);
    return result ? result : ::testing::AssertionFailure() << text() << ": " << result.message();
  }
  // Sums of `terms` products of up to 3 in another order.
  const float terms = static_cast<float>(weights.size()) / static_cast<float>(4 * spec.no);
  for (size_t i = 0; i < expected.size() / 4; ++i) {
    if (dst.bytes.as<uint32_t>()[i] == expected.as<uint32_t>()[i]) continue;
    float ours = dst.bytes.as<float>()[i], theirs = expected.as<float>()[i];
    if (!(std::abs(ours - theirs) <= 1e-5f * std::abs(theirs) + 3e-7f * terms))
      return ::testing::AssertionFailure() << text() << ": dword " << i << " is " << ours << ", expected " << theirs;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace quadlane::testing
