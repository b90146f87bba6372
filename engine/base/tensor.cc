#include "engine/base/tensor.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "engine/base/truth.h"

namespace quadlane {

const char* to_string(Code code) {
  switch (code) {
    case Code::invalid_argument: return "invalid argument";
    case Code::invalid_model: return "invalid model";
    case Code::unsupported: return "unsupported";
    case Code::out_of_memory: return "out of memory";
    case Code::io: return "i/o";
    case Code::internal: return "internal";
    case Code::needs_value: return "needs a value";
    case Code::no_executable_memory: return "no executable memory";
    case Code::cancelled: return "cancelled";
    case Code::timed_out: return "timed out";
  }
  return "?";
}

namespace {

struct DTypeFacts {
  DType dtype;
  const char* name;
  size_t bytes;
};
constexpr DTypeFacts kDTypes[] = {
    {DType::f32, "f32", 4}, {DType::f64, "f64", 8}, {DType::f16, "f16", 2}, {DType::u8, "u8", 1},
    {DType::s8, "s8", 1},   {DType::u16, "u16", 2}, {DType::s16, "s16", 2}, {DType::s32, "s32", 4},
    {DType::u32, "u32", 4}, {DType::s64, "s64", 8}, {DType::u64, "u64", 8}, {DType::boolean, "bool", 1},
};

}  // namespace

size_t size_of(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].bytes; }
const char* to_string(DType dtype) { return kDTypes[static_cast<size_t>(dtype)].name; }
bool is_float(DType dtype) { return dtype == DType::f32 || dtype == DType::f64 || dtype == DType::f16; }
bool is_integer(DType dtype) { return !is_float(dtype) && dtype != DType::boolean; }

Result<DType> parse_dtype(std::string_view name) {
  for (const DTypeFacts& facts : kDTypes)
    if (name == facts.name) return facts.dtype;
  return invalid_argument("unknown element type '", name, "'");
}

float half_to_float(Half half) {
  uint32_t sign = uint32_t{half.bits & 0x8000u} << 16, magnitude = half.bits & 0x7fffu;
  float value;
  if (magnitude >= 0x7c00) {  // infinity or NaN
    value = std::bit_cast<float>(0x7f800000u | (magnitude & 0x3ffu) << 13);
  } else if (magnitude < 0x400) {  // zero or subnormal: exact in float32
    value = static_cast<float>(magnitude) * 0x1p-24f;
  } else {
    value = std::bit_cast<float>((magnitude << 13) + ((127u - 15u) << 23));
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
}

Half float_to_half(float f) {
  uint32_t bits = std::bit_cast<uint32_t>(f), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return {static_cast<uint16_t>(sign | 0x7e00u)};
  if (magnitude >= 0x477ff000u) return {static_cast<uint16_t>(sign | 0x7c00u)};  // rounds to infinity
  if (magnitude < 0x38800000u) {  // subnormal half: adding 0.5 puts the units of 2^-24 into the low mantissa bits
    float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return {static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000u))};
  }
  uint32_t rounded = magnitude - ((127u - 15u) << 23) + 0xfffu + (magnitude >> 13 & 1u);
  return {static_cast<uint16_t>(sign | rounded >> 13)};
}

std::string to_string(const Shape& shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += cat(i ? "," : "", shape[i]);
  return s + "]";
}

std::string to_string(const TensorType& type) { return to_string(type.dtype) + to_string(type.shape); }

Result<int64_t> element_count(const Shape& shape, ShapeLimits most) {
  most = {std::min<size_t>(most.rank, kMaxRank), std::min(most.elements, kMaxElements)};
  if (shape.size() > most.rank) return unsupported("rank ", shape.size(), " exceeds the limit of ", most.rank);
  int64_t count = 1;
  bool zero = false;
  for (int64_t extent : shape) {
    if (extent < 0) return invalid_argument("negative extent in shape ", to_string(shape));
    zero |= extent == 0;
    // The others are limited beside a zero too: strides and parts of the shape are multiplied without it.
    if (extent > 0 && (__builtin_mul_overflow(count, extent, &count) || count > most.elements))
      return unsupported("shape ", to_string(shape), " has more than ", most.elements, " elements");
  }
  return zero ? 0 : count;
}

int64_t elements(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

namespace {

std::shared_ptr<void> allocate_aligned(size_t bytes) {
  size_t rounded = (std::max<size_t>(bytes, 1) + 63) / 64 * 64;
  void* p = std::aligned_alloc(64, rounded);
  if (!p) return nullptr;
  std::memset(p, 0, rounded);
  return {p, std::free};
}

}  // namespace

Result<Tensor> Tensor::allocate(TensorType type) {
  QL_TRY(int64_t count, element_count(type.shape));
  Tensor t;
  t.bytes_ = allocate_aligned(static_cast<size_t>(count) * size_of(type.dtype));
  if (!t.bytes_) return make_error(Code::out_of_memory, "no memory for ", to_string(type));
  t.type_ = std::move(type);
  return t;
}

Tensor Tensor::unchecked(TensorType type) {
  Tensor t;
  t.bytes_ = allocate_aligned(type.bytes());
  if (!t.bytes_) throw std::bad_alloc();
  t.type_ = std::move(type);
  return t;
}

void* Tensor::mutable_data() {
  if (bytes_ && bytes_.use_count() > 1) {
    auto copy = allocate_aligned(type_.bytes());
    if (!copy) throw std::bad_alloc();
    std::memcpy(copy.get(), bytes_.get(), type_.bytes());
    bytes_ = std::move(copy);
  }
  return bytes_.get();
}

Tensor Tensor::reshaped(Shape shape) const {
  Tensor t = *this;
  t.type_.shape = std::move(shape);
  return t;
}

double element_as_double(const View& v, int64_t i) {
  switch (v.type->dtype) {
    case DType::f32: return v.as<float>()[i];
    case DType::f64: return v.as<double>()[i];
    case DType::f16: return half_to_float(v.as<Half>()[i]);
    case DType::u64: return static_cast<double>(v.as<uint64_t>()[i]);
    default: return static_cast<double>(element_as_int(v, i));
  }
}

int64_t element_as_int(const View& v, int64_t i) {
  switch (v.type->dtype) {
    case DType::u8: return v.as<uint8_t>()[i];
    case DType::s8: return v.as<int8_t>()[i];
    case DType::u16: return v.as<uint16_t>()[i];
    case DType::s16: return v.as<int16_t>()[i];
    case DType::s32: return v.as<int32_t>()[i];
    case DType::u32: return v.as<uint32_t>()[i];
    case DType::s64: return v.as<int64_t>()[i];
    case DType::u64: return static_cast<int64_t>(v.as<uint64_t>()[i]);
    case DType::boolean: return v.as<Truth>()[i];
    default: {
      double d = element_as_double(v, i);
      return d >= 9.2e18 ? INT64_MAX : d <= -9.2e18 ? INT64_MIN : d == d ? static_cast<int64_t>(d) : 0;
    }
  }
}

std::vector<int64_t> to_ints(const View& v) {
  std::vector<int64_t> ints(static_cast<size_t>(v.type->count()));
  for (size_t i = 0; i < ints.size(); ++i) ints[i] = element_as_int(v, static_cast<int64_t>(i));
  return ints;
}

}  // namespace quadlane
