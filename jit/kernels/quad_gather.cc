// One register of pixels at a time: a load and a byte shuffle for each of the four sources, three ors, one store.
#include "jit/kernels/quad_gather.h"

#include <cstddef>
#include <cstring>

#include "jit/asm/assembler.h"

namespace quadlane {

std::string describe(const QuadGatherSpec& s) { return cat("quad_gather ", to_string(s.isa)); }

Result<MachineCode> generate(const QuadGatherSpec& spec, const GenerateOptions& options) {
  return assemble(describe(spec), spec.isa, options, [&](Assembler& a) {
    std::vector<Gp> src;
    std::vector<Vec> bytes = a.vecs("bytes", 4), gathered = a.vecs("gathered", 4);
    Gp dst = a.gp("dst"), x = a.gp("x"), lanes = a.gp("lanes"), count = a.gp("registers left");
    a.load_arg(x, offsetof(ConvArgs, weights));
    for (int j = 0; j < 4; ++j) {
      src.push_back(a.gp("src"));
      a.load_arg(src[static_cast<size_t>(j)], offsetof(ConvArgs, src_planes));
      a.mov(src[static_cast<size_t>(j)], a.ptr[src[static_cast<size_t>(j)] + 8 * j]);
      a.add(src[static_cast<size_t>(j)], a.ptr[a.args() + offsetof(ConvArgs, src)]);
      a.load(bytes[static_cast<size_t>(j)], a.ptr[x + 64 * j]);
    }
    a.load_arg(dst, offsetof(ConvArgs, dst_planes));
    a.mov(dst, a.ptr[dst]);
    a.add(dst, a.ptr[a.args() + offsetof(ConvArgs, dst)]);
    Vec pad = a.vec("pad");
    a.load_arg(lanes, offsetof(ConvArgs, dst_pad));
    a.vpbroadcastd(pad, a.ptr[lanes]);
    a.load_arg(lanes, offsetof(ConvArgs, lanes));
    a.load_arg(count, offsetof(ConvArgs, tiles));
    if (a.registers() == 2) a.shl(count, 1);
    Mask pixels = a.mask("pixels");
    a.xor_(x, x);
    a.loop(count, [&] {
      for (size_t j = 0; j < 4; ++j) {
        a.load(gathered[j], a.ptr[src[j] + x]);
        a.vpshufb(gathered[j], gathered[j], bytes[j]);
      }
      a.bit_or(gathered[0], gathered[0], gathered[1]);
      a.bit_or(gathered[2], gathered[2], gathered[3]);
      a.bit_or(gathered[0], gathered[0], gathered[2]);
      a.load_lanes(pixels, a.ptr[lanes]);
      a.blend(gathered[0], pixels, gathered[0], pad);
      a.store(a.ptr[dst + x], gathered[0]);
      a.add(x, a.vector_bytes());
      a.add(lanes, a.lanes() / 8);
    });
  });
}

std::vector<std::byte> gather_bytes(const std::array<int, 4>& b) {
  std::vector<std::byte> vectors(4 * 64, std::byte{0x80});  // bit 7: a zero
  for (size_t j = 0; j < 4; ++j)
    for (size_t pixel = 0; pixel < 16 && b[j] >= 0; ++pixel)
      vectors[64 * j + 4 * pixel + j] = static_cast<std::byte>(4 * (pixel % 4) + static_cast<size_t>(b[j]));
  return vectors;
}

}  // namespace quadlane
