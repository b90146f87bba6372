#include "tools/cli/tensors.h"

#include <cmath>
#include <random>

#include "loader/tensor_file.h"
#include "tools/io/file.h"
#include "tools/io/npy.h"

namespace quadlane::tools {

bool is_tensor_file(const std::string& path) { return ends_with(path, ".npy") || ends_with(path, ".pb"); }

namespace {

Result<Tensor> read_as_stored(const std::string& path) {
  if (ends_with(path, ".npy")) return read_npy(path);
  if (ends_with(path, ".pb")) return read_tensor_pb(path);
  return unsupported("'", path, "' is neither .npy nor .pb");
}

}  // namespace

Result<Tensor> read_tensor(const std::string& path) {
  QL_TRY(Tensor stored, read_as_stored(path));
  if (stored.dtype() != DType::f16) return stored;
  QL_TRY(Tensor wide, Tensor::allocate({DType::f32, stored.shape()}));
  for (int64_t i = 0; i < stored.count(); ++i) wide.mutate<float>()[i] = half_to_float(stored.as<Half>()[i]);
  return wide;
}

Result<Tensor> random_tensor(const TensorType& type, uint64_t seed) {
  QL_TRY(Tensor tensor, Tensor::allocate(type));
  std::mt19937_64 bits(seed);
  auto unit = [&] { return (static_cast<double>(bits() >> 11) + 0.5) * 0x1p-53; };
  auto normal = [&] { return std::sqrt(-2 * std::log(unit())) * std::cos(6.283185307179586 * unit()); };
  int64_t count = type.count();
  for (int64_t i = 0; i < count; ++i) {
    switch (type.dtype) {
      case DType::f32: tensor.mutate<float>()[i] = static_cast<float>(normal()); break;
      case DType::f64: tensor.mutate<double>()[i] = normal(); break;
      case DType::f16: tensor.mutate<Half>()[i] = float_to_half(static_cast<float>(normal())); break;
      case DType::u8:
      case DType::s8:
      case DType::boolean: tensor.mutate<uint8_t>()[i] = bits() & 1; break;
      case DType::u16:
      case DType::s16: tensor.mutate<uint16_t>()[i] = bits() & 1; break;
      case DType::u32:
      case DType::s32: tensor.mutate<uint32_t>()[i] = bits() & 1; break;
      case DType::u64:
      case DType::s64: tensor.mutate<uint64_t>()[i] = bits() & 1; break;
    }
  }
  return tensor;
}

Status check_input(const run::TensorInfo& expected, const TensorType& found, const std::string& source) {
  if (expected.type == found) return {};
  return invalid_argument("input '", expected.name, "' is ", to_string(expected.type), ", '", source, "' holds ",
                          to_string(found));
}

std::string file_name(std::string_view tensor_name) {
  std::string name(tensor_name);
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_' && c != '.' && c != '-') c = '_';
  return name;
}

Result<Outputs> Outputs::allocate(std::span<const run::TensorInfo> infos) {
  Outputs outputs;
  for (const run::TensorInfo& info : infos) {
    QL_TRY(Tensor tensor, Tensor::allocate(info.type));
    outputs.tensors_.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < infos.size(); ++i) {
    void* data = outputs.tensors_[i].mutable_data();
    outputs.views_.push_back({&infos[i].type, data});
  }
  return outputs;
}

std::vector<View> views_of(std::span<const Tensor> tensors) {
  std::vector<View> views;
  for (const Tensor& tensor : tensors) views.push_back(tensor.view());
  return views;
}

}  // namespace quadlane::tools
