// Data that lies outside the repository; tests on it skip where it is absent.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

#include "engine/base/tensor.h"

namespace quadlane::testing {

// The directory an environment variable names, or `otherwise`; empty when there is none.
inline std::filesystem::path directory_from(const char* variable, std::filesystem::path otherwise) {
  const char* value = std::getenv(variable);
  std::filesystem::path path = value ? std::filesystem::path(value) : std::move(otherwise);
  return std::filesystem::is_directory(path) ? path : std::filesystem::path();
}

inline std::filesystem::path repository() { return QUADLANE_REPOSITORY; }
inline std::filesystem::path shared_directory() {
  return directory_from("QUADLANE_SHARED", repository().parent_path() / "shared");
}

// A little-endian array of 32-bit or 16-bit floats in C order, as f32; or nothing.
std::optional<Tensor> read_npy_floats(const std::filesystem::path&);
void write_npy_f32(const std::filesystem::path&, const Tensor&);

// Whether `got` equals `expected` as ONNX's own test runner sees it: types, shapes and integers exactly, floats within
// atol + rtol * |expected|. Empty when it does, else the first difference.
std::string difference(const Tensor& got, const Tensor& expected, double rtol, double atol);
// f16 as f32, everything else as it is.
Tensor widened(const Tensor&);

}  // namespace quadlane::testing
