// Element types, shapes, dense tensors. A dense tensor is row-major, without padding (ONNX order: NCHW for images).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/base/fields.h"
#include "engine/base/status.h"

namespace quadlane {

enum class DType : uint8_t { f32, f64, f16, u8, s8, u16, s16, s32, u32, s64, u64, boolean };
template <>
inline constexpr DType kLastOf<DType> = DType::boolean;

size_t size_of(DType);
const char* to_string(DType);  // "f32", "u8", ...
Result<DType> parse_dtype(std::string_view);
bool is_float(DType);
bool is_integer(DType);  // boolean is not an integer

// The C++ type that stores one element; f16 is stored as its 16 bits in the distinct type Half.
struct Half {
  uint16_t bits;
};
float half_to_float(Half);
Half float_to_half(float);  // round to nearest, ties to even

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<Half>() {
  return DType::f16;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::u8;
}
template <>
constexpr DType dtype_of<int8_t>() {
  return DType::s8;
}
template <>
constexpr DType dtype_of<uint16_t>() {
  return DType::u16;
}
template <>
constexpr DType dtype_of<int16_t>() {
  return DType::s16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::s32;
}
template <>
constexpr DType dtype_of<uint32_t>() {
  return DType::u32;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::s64;
}
template <>
constexpr DType dtype_of<uint64_t>() {
  return DType::u64;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

// Extents, outermost first. Every extent is >= 0 and known (symbolic dimensions are bound while loading).
using Shape = std::vector<int64_t>;

inline constexpr int kMaxRank = 8;
inline constexpr int64_t kMaxElements = int64_t{1} << 31;

// "[1,16,224,224]"
std::string to_string(const Shape&);
// What a value may be; larger numbers than the constants' mean them.
struct ShapeLimits {
  size_t rank = kMaxRank;
  int64_t elements = kMaxElements;
};
// Product of the extents, or an error for a negative extent, too many extents or too many elements.
Result<int64_t> element_count(const Shape&, ShapeLimits = {});
// The same for shapes that have been checked before.
int64_t elements(const Shape&);

struct TensorType {
  DType dtype = DType::f32;
  Shape shape;

  static constexpr auto kFields = std::tuple{&TensorType::dtype, &TensorType::shape};
  bool operator==(const TensorType&) const = default;
  int64_t count() const { return elements(shape); }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype); }
};
std::string to_string(const TensorType&);  // "f32[1,16,224,224]"

// Borrowed dense tensors; they never own and live for one call.
struct View {
  const TensorType* type = nullptr;
  const void* data = nullptr;

  explicit operator bool() const { return type != nullptr; }
  const Shape& shape() const { return type->shape; }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data);
  }
  template <class T>
  std::span<const T> span() const {
    return {as<T>(), static_cast<size_t>(type->count())};
  }
};
struct MutView {
  const TensorType* type = nullptr;
  void* data = nullptr;

  const Shape& shape() const { return type->shape; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
  template <class T>
  std::span<T> span() const {
    return {as<T>(), static_cast<size_t>(type->count())};
  }
  operator View() const { return {type, data}; }
};

// An owning dense tensor, 64-byte aligned. Copies share the bytes; mutate() copies them first when they are shared.
class Tensor {
 public:
  Tensor() = default;
  static Result<Tensor> allocate(TensorType);  // zeroed; refuses what element_count refuses
  // The shape is trusted; data.size() must equal its element count.
  template <class T>
  static Tensor from(const Shape& shape, std::span<const T> data) {
    Tensor t = unchecked({dtype_of<T>(), shape});
    std::copy(data.begin(), data.end(), t.mutate<T>());
    return t;
  }
  template <class T>
  static Tensor from(const Shape& shape, const std::vector<T>& data) {
    return from<T>(shape, std::span<const T>(data));
  }
  template <class T>
  static Tensor scalar(T value) {
    return from<T>({}, std::span<const T>(&value, 1));
  }

  const TensorType& type() const { return type_; }
  const Shape& shape() const { return type_.shape; }
  DType dtype() const { return type_.dtype; }
  int64_t count() const { return type_.count(); }
  bool empty() const { return !bytes_; }
  const void* data() const { return bytes_.get(); }
  template <class T>
  const T* as() const {
    return static_cast<const T*>(data());
  }
  template <class T>
  std::span<const T> span() const {
    return {as<T>(), static_cast<size_t>(count())};
  }
  template <class T>
  T* mutate() {
    return static_cast<T*>(mutable_data());
  }
  void* mutable_data();
  View view() const { return {&type_, data()}; }
  MutView mut_view() { return {&type_, mutable_data()}; }
  // The same bytes under another shape of equal element count.
  Tensor reshaped(Shape) const;

 private:
  static Tensor unchecked(TensorType);
  TensorType type_;
  std::shared_ptr<void> bytes_;
};

// Element i as double or int64 whatever the stored type: for attributes and small constants, not for hot loops.
double element_as_double(const View&, int64_t i);
int64_t element_as_int(const View&, int64_t i);
std::vector<int64_t> to_ints(const View&);

}  // namespace quadlane
