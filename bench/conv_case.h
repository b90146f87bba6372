// A convolution layer ready to be timed: planes, packed weights and kernels for one image, launched as a stream would.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/geometry.h"
#include "jit/code_memory.h"
#include "jit/kernels/conv.h"

namespace quadlane::bench {

struct ConvShape {
  int h, w, inputs, outputs, kernel;
  bool threshold = false;  // a clamp on the input: batch norm and ReLU before the convolution
  DType type = DType::u8;

  double gmac() const { return 1e-9 * h * w * inputs * outputs * kernel * kernel; }
  std::string name() const;
};

class ConvCase {
 public:
  // The spec without a schedule, and what conv_schedules() wants to know.
  static ConvSpec spec(const ConvShape&, Isa);
  static ConvExtent extent(const ConvShape&);

  static Result<ConvCase> make(const ConvShape&, Isa, const ConvSchedule&);
  void run();  // one image

 private:
  struct Block {
    std::vector<std::byte> weights;
    std::vector<KernelFn> kernels;  // [v - 1]: a tile of v vectors
    size_t first_output;
  };
  ConvShape shape_;
  Geometry geometry_;
  int pv_ = 1;
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  using Memory = std::unique_ptr<std::byte, Free>;  // in huge pages where the system has them, as a stream's arena is
  static Memory allocate(int64_t bytes);

  Memory src_, dst_;
  std::vector<int64_t> src_planes_, dst_planes_;
  std::vector<uint32_t> pads_;
  std::vector<uint16_t> lanes_;
  std::vector<int32_t> bias_;
  std::vector<float> mult_;
  std::vector<std::byte> clamp_;
  ConvEpilogue epilogue_;
  std::vector<Block> blocks_;
  CodeMemory code_;
  int64_t band_tiles_ = 64;
};

}  // namespace quadlane::bench
