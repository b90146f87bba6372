#include <algorithm>
#include <cstring>

#include "engine/api/dynamic_model.h"

namespace quadlane {
namespace {

// How often the declared inputs fit into the given ones along their outermost extents, all alike; 1: no multiple.
int64_t multiple_of(std::span<const InputSpec> inputs, std::span<const Shape> given) {
  int64_t parts = 0;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const InputSpec& input = inputs[i];
    const Shape& shape = given[i];
    if (!input.has_shape || input.dims.empty() || input.dims[0].extent < 1 || shape.size() != input.dims.size())
      return 1;
    const int64_t one = input.dims[0].extent;
    if (shape[0] % one != 0 || (parts != 0 && parts != shape[0] / one)) return 1;
    parts = shape[0] / one;
    for (size_t axis = 1; axis < shape.size(); ++axis)
      if (!input.dims[axis].is_open() && input.dims[axis].extent != shape[axis]) return 1;
  }
  return std::max<int64_t>(parts, 1);
}

// Equal parts one behind the other.
Result<Tensor> join(std::span<const std::vector<Tensor>> parts, size_t output) {
  const TensorType& one = parts[0][output].type();
  TensorType type = one;
  if (type.shape.empty())
    return unsupported("output ", output, " has no extents, results of ", parts.size(), " parts cannot be joined");
  type.shape[0] = 0;
  for (const std::vector<Tensor>& part : parts) {
    const Shape& shape = part[output].shape();
    if (!std::equal(shape.begin() + 1, shape.end(), one.shape.begin() + 1, one.shape.end()))
      return unsupported("output ", output, " is ", to_string(one.shape), " for one part of the batch and ",
                         to_string(shape), " for another");
    type.shape[0] += shape[0];
  }
  QL_TRY(Tensor whole, Tensor::allocate(type));
  std::byte* target = whole.mutate<std::byte>();
  for (const std::vector<Tensor>& part : parts) {
    std::memcpy(target, part[output].view().data, part[output].type().bytes());
    target += part[output].type().bytes();
  }
  return whole;
}

}  // namespace

Result<DynamicStream::Open*> DynamicStream::stream_for(std::span<const Shape> shapes) {
  auto same = [&](const Open& open) {
    return std::equal(shapes.begin(), shapes.end(), open.shapes.begin(), open.shapes.end());
  };
  auto found = std::find_if(open_.begin(), open_.end(), same);
  if (found == open_.end()) {
    QL_TRY(Model model, model_.specialize(shapes));
    if (open_.size() >= std::max<size_t>(model_.options().max_streams, 1)) open_.pop_back();  // before the new arena
    QL_TRY(run::Stream stream, model.open_stream(options_));
    open_.push_back({std::vector<Shape>(shapes.begin(), shapes.end()), std::move(model), std::move(stream)});
    found = open_.end() - 1;
  }
  std::rotate(open_.begin(), found, found + 1);
  return &open_.front();
}

Result<std::vector<Tensor>> DynamicStream::run_once(std::span<const View> inputs, std::span<const Shape> shapes) {
  QL_TRY(Open * open, stream_for(shapes));
  const auto& infos = open->model.outputs();
  std::vector<Tensor> outputs;
  std::vector<MutView> views;
  for (const run::TensorInfo& info : infos) {
    QL_TRY(Tensor tensor, Tensor::allocate(info.dynamic ? TensorType{info.type.dtype, {0}} : info.type));
    outputs.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < infos.size(); ++i) views.push_back({&infos[i].type, outputs[i].mutable_data()});
  QL_CHECK_OK(open->stream.run(inputs, views));
  for (size_t i = 0; i < infos.size(); ++i)
    if (infos[i].dynamic) outputs[i] = open->stream.result(i);
  return outputs;
}

Result<std::vector<Tensor>> DynamicStream::run_parts(std::span<const View> inputs, int64_t parts) {
  std::vector<TensorType> types;
  std::vector<Shape> shapes;
  for (const View& input : inputs) {
    types.push_back(*input.type);
    types.back().shape[0] /= parts;
    shapes.push_back(types.back().shape);
  }
  std::vector<std::vector<Tensor>> results;
  for (int64_t k = 0; k < parts; ++k) {
    std::vector<View> part;
    for (size_t i = 0; i < inputs.size(); ++i)
      part.push_back(
          {&types[i], static_cast<const std::byte*>(inputs[i].data) + static_cast<size_t>(k) * types[i].bytes()});
    QL_TRY(std::vector<Tensor> outputs, run_once(part, shapes));
    results.push_back(std::move(outputs));
  }
  std::vector<Tensor> joined;
  for (size_t i = 0; i < results[0].size(); ++i) {
    QL_TRY(Tensor whole, join(results, i));
    joined.push_back(std::move(whole));
  }
  return joined;
}

Result<std::vector<Tensor>> DynamicStream::run(std::span<const View> inputs) {
  if (inputs.size() != model_.inputs().size())
    return invalid_argument(inputs.size(), " inputs given, the model has ", model_.inputs().size());
  std::vector<Shape> shapes;
  for (const View& input : inputs) shapes.push_back(input.type->shape);
  if (check_shapes(model_.inputs(), shapes).ok()) return run_once(inputs, shapes);
  const int64_t parts = multiple_of(model_.inputs(), shapes);
  if (parts > 1) return run_parts(inputs, parts);
  return run_once(inputs, shapes);  // says what does not fit
}

}  // namespace quadlane
