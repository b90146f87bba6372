// Tensors on the command line: files, random ones, and buffers for a model's inputs and outputs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/base/tensor.h"
#include "engine/run/plan.h"

namespace quadlane::tools {

// .npy or .pb (a serialized TensorProto), by the name's ending. f16 becomes f32, as it does in models.
Result<Tensor> read_tensor(const std::string& path);
bool is_tensor_file(const std::string& path);

// Normal values of mean 0 and deviation 1 for float types, 0 or 1 for integers: the same for the same seed.
Result<Tensor> random_tensor(const TensorType&, uint64_t seed);

// "input 'image' is f32[1,1,192,192], 'x.npy' holds f32[1,1,64,64]" when they differ.
Status check_input(const run::TensorInfo& expected, const TensorType& found, const std::string& source);

// NAME with everything but [A-Za-z0-9_.-] replaced by '_'.
std::string file_name(std::string_view tensor_name);

// Owns one set of outputs for a model and the views Stream::run takes.
class Outputs {
 public:
  static Result<Outputs> allocate(std::span<const run::TensorInfo>);
  std::span<const MutView> views() const { return views_; }
  const Tensor& operator[](size_t i) const { return tensors_[i]; }
  std::span<const Tensor> tensors() const { return tensors_; }
  size_t size() const { return tensors_.size(); }

 private:
  std::vector<Tensor> tensors_;
  std::vector<MutView> views_;
};

// The views Stream::run takes; they live as long as the tensors do.
std::vector<View> views_of(std::span<const Tensor>);

}  // namespace quadlane::tools
