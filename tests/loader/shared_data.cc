#include "tests/loader/shared_data.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

namespace quadlane::testing {

std::optional<Tensor> read_npy_floats(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(file)), {});
  if (bytes.size() < 10 || bytes.compare(0, 6, "\x93NUMPY") != 0) return {};
  size_t header = static_cast<uint8_t>(bytes[8]) + 256u * static_cast<uint8_t>(bytes[9]);
  std::string text = bytes.substr(10, header);
  bool half = text.find("'<f2'") != text.npos;
  if ((!half && text.find("'<f4'") == text.npos) || text.find("'fortran_order': False") == text.npos) return {};
  Shape shape;
  const char* at = text.c_str() + text.find("'shape': (") + 10;
  while (*at >= '0' && *at <= '9') {
    char* end;
    shape.push_back(std::strtoll(at, &end, 10));
    for (at = end; *at == ',' || *at == ' '; ++at) {
    }
  }
  auto tensor = Tensor::allocate({half ? DType::f16 : DType::f32, shape});
  if (!tensor.ok() || bytes.size() != 10 + header + tensor->type().bytes()) return {};
  std::memcpy(tensor->mutable_data(), bytes.data() + 10 + header, tensor->type().bytes());
  return widened(*tensor);
}

void write_npy_f32(const std::filesystem::path& path, const Tensor& tensor) {
  std::string extents;
  for (int64_t extent : tensor.shape()) extents += cat(extent, ",");
  std::string header = cat("{'descr': '<f4', 'fortran_order': False, 'shape': (", extents, "), }");
  header.resize((header.size() + 10 + 64) / 64 * 64 - 10, ' ');
  header.back() = '\n';
  std::ofstream file(path, std::ios::binary);
  file << "\x93NUMPY" << '\x01' << '\0' << static_cast<char>(header.size() & 255)
       << static_cast<char>(header.size() >> 8) << header;
  file.write(static_cast<const char*>(tensor.data()), static_cast<std::streamsize>(tensor.type().bytes()));
}

Tensor widened(const Tensor& tensor) {
  if (tensor.dtype() != DType::f16) return tensor;
  std::vector<float> values;
  for (Half h : tensor.span<Half>()) values.push_back(half_to_float(h));
  return Tensor::from<float>(tensor.shape(), values);
}

std::string difference(const Tensor& got, const Tensor& expected, double rtol, double atol) {
  if (got.type() != expected.type())
    return cat("got ", to_string(got.type()), ", expected ", to_string(expected.type()));
  for (int64_t i = 0; i < got.count(); ++i) {
    bool same;
    double a, b;
    if (is_float(got.dtype())) {
      a = element_as_double(got.view(), i), b = element_as_double(expected.view(), i);
      same = a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= atol + rtol * std::abs(b);
      same = same && std::isinf(a) == std::isinf(b);
    } else {
      int64_t x = element_as_int(got.view(), i), y = element_as_int(expected.view(), i);
      same = x == y;
      a = static_cast<double>(x), b = static_cast<double>(y);
    }
    if (!same) return cat("element ", i, " of ", to_string(got.type()), " is ", a, ", expected ", b);
  }
  return {};
}

}  // namespace quadlane::testing
