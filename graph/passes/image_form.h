// Sequences and volumes as images: what the 4-D kernels and passes can take.
//
//   sequence [N, C, L]          ->  image [N, C, 1, L]        a reshape
//   volume   [N, C, D, H, W]    ->  image [N, D*C, H, W]      channel d*C + c is channel c of depth slice d
//
// Depth slices become groups of channels, so a window in depth is a slice of channels, and putting slices together is a
// concat: both are lists of planes to the compiler and move nothing. Only at the edges of such a part of the graph are
// volumes with more than one channel transposed.
#pragma once

#include "graph/passes/rewrite.h"

namespace quadlane {

struct VolumeShape {
  size_t rank;  // 3 or 5
  int64_t n, c, d, h, w;

  // Nullopt for other ranks, empty values and values that are neither f32 nor bytes.
  static std::optional<VolumeShape> of(const Graph&, ValueId);
  Shape image() const { return {n, d * c, h, w}; }
};

// QuantizeLinear or DequantizeLinear with one scale for the tensor: indifferent to shapes.
bool is_scalar_quantizer(const Graph&, const Node&);

// Builds the 4-D graph of one operator on a sequence or volume; the first error stops it and stays.
class ImageForm {
 public:
  ImageForm(Graph& g, const OpTable& ops, std::string name) : g_(g), ops_(ops), name_(std::move(name)) {}

  Graph& graph() { return g_; }
  const OpTable& ops() const { return ops_; }
  // The image that v is a sequence or volume of, if it was made by volume(), else nullopt.
  std::optional<ValueId> known_image(ValueId v) const;
  // The image of v: the known one, or nodes that make it. They stand in front of v's quantization (of so many
  // nodes at most), which convolutions want next to them.
  Result<ValueId> image(ValueId v, int quantizers = 2);
  // Depth slices [begin, end) of an image of slices with `channels` channels.
  Result<ValueId> slices(ValueId image, int64_t channels, int64_t begin, int64_t end);
  // These depth slices in this order.
  Result<ValueId> slices(ValueId image, int64_t channels, const std::vector<int64_t>& depths);
  // Images one after the other along the channels.
  Result<ValueId> concat(const std::vector<ValueId>& images);
  // v read as `shape`.
  Result<ValueId> reshape(ValueId v, const Shape& shape);
  Result<ValueId> add(std::string op, Attrs attrs, std::vector<ValueId> inputs);
  // Puts the volume of `image` in the place of `old`, whose shape says what it is.
  Status replace(ValueId old, ValueId image);

 private:
  Graph& g_;
  const OpTable& ops_;
  std::string name_;
};

}  // namespace quadlane
