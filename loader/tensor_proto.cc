#include "loader/tensor_proto.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "loader/external_data.h"
#include "loader/four_bits.h"

namespace quadlane {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is little-endian");

using onnx::TensorProto;

// What ONNX calls the types we do not have, for messages.
std::string type_name(int onnx_type) {
  constexpr const char* kNames[] = {"undefined",      "float",    "uint8",        "int8",           "uint16",
                                    "int16",          "int32",    "int64",        "string",         "bool",
                                    "float16",        "double",   "uint32",       "uint64",         "complex64",
                                    "complex128",     "bfloat16", "float8e4m3fn", "float8e4m3fnuz", "float8e5m2",
                                    "float8e5m2fnuz", "uint4",    "int4",         "float4e2m1"};
  if (onnx_type < 0 || onnx_type >= static_cast<int>(std::size(kNames))) return cat("number ", onnx_type);
  return kNames[onnx_type];
}

bool is_half(int onnx_type) { return onnx_type == TensorProto::FLOAT16 || onnx_type == TensorProto::BFLOAT16; }

float bfloat_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

// Stored 16-bit floats as the tensor's type: f32 when widened, the same bits otherwise.
void put_half(uint16_t bits, bool is_bfloat, Tensor& tensor, int64_t i) {
  if (tensor.dtype() == DType::f16)
    tensor.mutate<Half>()[i] = Half{bits};
  else
    tensor.mutate<float>()[i] = is_bfloat ? bfloat_to_float(bits) : half_to_float(Half{bits});
}

// Elements stored in a wider typed field; each must fit the tensor's type.
template <class To, class Field>
Status narrow(const Field& field, Tensor& tensor) {
  To* out = tensor.mutate<To>();
  for (int i = 0; i < field.size(); ++i) {
    To value = static_cast<To>(field[i]);
    if (static_cast<decltype(field[i] + 0)>(value) != field[i])
      return invalid_model("element ", i, " is ", field[i], ", which does not fit ", to_string(tensor.dtype()));
    out[i] = value;
  }
  return {};
}

template <class To, class Field>
Status copy_field(const Field& field, Tensor& tensor) {
  static_assert(sizeof(field[0]) == sizeof(To));
  if (field.size() > 0)
    std::memcpy(tensor.mutable_data(), field.data(), sizeof(To) * static_cast<size_t>(field.size()));
  return {};
}

// Element i of what is packed two to a byte, the first in the low bits.
template <class Byte>
void put_four_bits(const Byte* packed, int onnx_type, Tensor& tensor) {
  uint8_t* out = tensor.mutate<uint8_t>();
  for (int64_t i = 0; i < tensor.count(); ++i) {
    const int bits = static_cast<int>(packed[i / 2]) >> (i % 2 * 4) & 15;
    out[i] = static_cast<uint8_t>(onnx_type == kInt4 && bits >= 8 ? bits - 16 : bits);
  }
}

// How many elements of a typed field, or how many bytes, hold that many elements.
int64_t entries_of(const TensorProto& proto, int64_t count) {
  return is_four_bits(proto.data_type()) ? count - count / 2 : count;
}

// The typed field that holds elements of this type, as a name and a length.
struct Field {
  const char* name;
  int64_t size;
};
Field typed_field(const TensorProto& proto) {
  switch (proto.data_type()) {
    case TensorProto::FLOAT: return {"float_data", proto.float_data_size()};
    case TensorProto::DOUBLE: return {"double_data", proto.double_data_size()};
    case TensorProto::INT64: return {"int64_data", proto.int64_data_size()};
    case TensorProto::UINT32:
    case TensorProto::UINT64: return {"uint64_data", proto.uint64_data_size()};
    default: return {"int32_data", proto.int32_data_size()};
  }
}

int64_t typed_elements(const TensorProto& p) {
  return int64_t{p.float_data_size()} + p.double_data_size() + p.int32_data_size() + p.int64_data_size() +
         p.uint64_data_size() + p.string_data_size();
}

Status read_typed(const TensorProto& proto, Tensor& tensor) {
  Field field = typed_field(proto);
  const int64_t needed = entries_of(proto, tensor.count());
  if (field.size != needed || typed_elements(proto) != field.size)
    return invalid_model(typed_elements(proto), " elements of typed data (", field.size, " in ", field.name,
                         "), its shape ", to_string(tensor.shape()), " needs ", needed);
  switch (proto.data_type()) {
    case TensorProto::FLOAT: return copy_field<float>(proto.float_data(), tensor);
    case TensorProto::DOUBLE: return copy_field<double>(proto.double_data(), tensor);
    case TensorProto::INT64: return copy_field<int64_t>(proto.int64_data(), tensor);
    case TensorProto::INT32: return copy_field<int32_t>(proto.int32_data(), tensor);
    case TensorProto::UINT64: return copy_field<uint64_t>(proto.uint64_data(), tensor);
    case TensorProto::UINT32: return narrow<uint32_t>(proto.uint64_data(), tensor);
    case TensorProto::UINT8: return narrow<uint8_t>(proto.int32_data(), tensor);
    case TensorProto::INT8: return narrow<int8_t>(proto.int32_data(), tensor);
    case TensorProto::UINT16: return narrow<uint16_t>(proto.int32_data(), tensor);
    case TensorProto::INT16: return narrow<int16_t>(proto.int32_data(), tensor);
    case TensorProto::BOOL: return narrow<bool>(proto.int32_data(), tensor);
    case kUint4:
    case kInt4:
      for (int i = 0; i < proto.int32_data_size(); ++i)
        if (const int32_t byte = proto.int32_data(i); byte < -128 || byte > 255)
          return invalid_model("element ", i, " of the packed data is ", byte, ", expected 8 bits");
      put_four_bits(proto.int32_data().data(), proto.data_type(), tensor);
      return {};
    default: break;
  }
  for (int i = 0; i < proto.int32_data_size(); ++i) {  // float16, bfloat16: the bits as an integer
    int32_t bits = proto.int32_data(i);
    if (bits < 0 || bits > 0xffff) return invalid_model("element ", i, " is ", bits, ", expected 16 bits");
    put_half(static_cast<uint16_t>(bits), proto.data_type() == TensorProto::BFLOAT16, tensor, i);
  }
  return {};
}

// `stored` bytes of little-endian elements of the file's type.
void read_raw(const char* stored, int onnx_type, Tensor& tensor) {
  int64_t count = tensor.count();
  if (is_half(onnx_type)) {
    for (int64_t i = 0; i < count; ++i) {
      uint16_t bits;
      std::memcpy(&bits, stored + 2 * i, 2);
      put_half(bits, onnx_type == TensorProto::BFLOAT16, tensor, i);
    }
  } else if (is_four_bits(onnx_type)) {
    put_four_bits(stored, onnx_type, tensor);
  } else if (onnx_type == TensorProto::BOOL) {
    for (int64_t i = 0; i < count; ++i) tensor.mutate<bool>()[i] = stored[i] != 0;
  } else if (count > 0) {
    std::memcpy(tensor.mutable_data(), stored, tensor.type().bytes());
  }
}

Result<uint64_t> parse_number(const std::string& key, const std::string& text) {
  uint64_t value = 0;
  bool digits = !text.empty() && text.size() <= 18;
  for (char c : text) {
    digits = digits && c >= '0' && c <= '9';
    value = value * 10 + static_cast<uint64_t>(c - '0');
  }
  if (!digits) return invalid_model("external data has ", key, " '", text, "', expected a number");
  return value;
}

Result<std::string> external_bytes(const TensorProto& proto, size_t stored_bytes, const std::string& directory) {
  if (proto.has_raw_data() || typed_elements(proto) != 0)
    return invalid_model("has ", proto.has_raw_data() ? "raw" : "typed", " data and external data");
  ExternalRange range;
  range.bytes = stored_bytes;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") range.location = entry.value();
    if (entry.key() == "offset") {
      QL_TRY(range.offset, parse_number("offset", entry.value()));
    }
    if (entry.key() == "length") {
      QL_TRY(uint64_t length, parse_number("length", entry.value()));
      if (length != stored_bytes)
        return invalid_model("external data has ", length, " bytes, its shape needs ", stored_bytes);
    }
  }
  return read_external(directory, range);
}

}  // namespace

Result<DType> dtype_from_onnx(int onnx_type, bool widen_half) {
  switch (onnx_type) {
    case TensorProto::FLOAT: return DType::f32;
    case TensorProto::DOUBLE: return DType::f64;
    case TensorProto::FLOAT16: return widen_half ? DType::f32 : DType::f16;
    case TensorProto::UINT8: return DType::u8;
    case TensorProto::INT8: return DType::s8;
    case TensorProto::UINT16: return DType::u16;
    case TensorProto::INT16: return DType::s16;
    case TensorProto::INT32: return DType::s32;
    case TensorProto::UINT32: return DType::u32;
    case TensorProto::INT64: return DType::s64;
    case TensorProto::UINT64: return DType::u64;
    case TensorProto::BOOL: return DType::boolean;
    case TensorProto::BFLOAT16:
      if (widen_half) return DType::f32;
      [[fallthrough]];
    default: return unsupported("element type ", type_name(onnx_type), " is not supported");
  }
}

int onnx_from_dtype(DType dtype) {
  switch (dtype) {
    case DType::f32: return TensorProto::FLOAT;
    case DType::f64: return TensorProto::DOUBLE;
    case DType::f16: return TensorProto::FLOAT16;
    case DType::u8: return TensorProto::UINT8;
    case DType::s8: return TensorProto::INT8;
    case DType::u16: return TensorProto::UINT16;
    case DType::s16: return TensorProto::INT16;
    case DType::s32: return TensorProto::INT32;
    case DType::u32: return TensorProto::UINT32;
    case DType::s64: return TensorProto::INT64;
    case DType::u64: return TensorProto::UINT64;
    case DType::boolean: return TensorProto::BOOL;
  }
  return TensorProto::UNDEFINED;
}

Result<Tensor> tensor_from_proto(const TensorProto& proto, const TensorReadOptions& options) {
  const int bytes_as = proto.data_type() == kUint4  ? int{TensorProto::UINT8}
                       : proto.data_type() == kInt4 ? int{TensorProto::INT8}
                                                    : proto.data_type();
  QL_TRY(DType dtype, dtype_from_onnx(bytes_as, options.widen_half));
  if (proto.has_segment()) return unsupported("is stored in segments, which are not supported");
  Shape shape(proto.dims().begin(), proto.dims().end());
  QL_TRY(int64_t count, element_count(shape, options.max_shape));
  const int64_t entries = entries_of(proto, count);
  size_t stored = static_cast<size_t>(entries) * (is_half(proto.data_type()) ? 2 : size_of(dtype));
  size_t needed = static_cast<size_t>(count) * size_of(dtype);
  if (needed > options.max_bytes)
    return make_error(Code::out_of_memory, "needs ", needed, " bytes, ", options.max_bytes, " are left of the limit");
  bool external = proto.data_location() == TensorProto::EXTERNAL;
  // Before anything is allocated: the bytes are really there.
  if (!external && proto.has_raw_data() && proto.raw_data().size() != stored)
    return invalid_model(proto.raw_data().size(), " bytes of raw data, its shape ", to_string(shape), " needs ",
                         stored);
  if (!external && !proto.has_raw_data() && typed_elements(proto) != entries)
    return invalid_model(typed_elements(proto), " elements of typed data, its shape ", to_string(shape), " needs ",
                         entries);
  if (proto.has_raw_data() && typed_elements(proto) != 0) return invalid_model("has raw data and typed data");
  std::string outside;
  if (external) {
    QL_TRY(outside, external_bytes(proto, stored, options.directory));
  }
  QL_TRY(Tensor tensor, Tensor::allocate({dtype, shape}));
  if (external) {
    read_raw(outside.data(), proto.data_type(), tensor);
  } else if (proto.has_raw_data()) {
    read_raw(proto.raw_data().data(), proto.data_type(), tensor);
  } else {
    QL_CHECK_OK(read_typed(proto, tensor));
  }
  return tensor;
}

void tensor_to_proto(const Tensor& tensor, const std::string& name, TensorProto* proto) {
  proto->set_name(name);
  proto->set_data_type(onnx_from_dtype(tensor.dtype()));
  for (int64_t extent : tensor.shape()) proto->add_dims(extent);
  proto->set_raw_data(tensor.data(), tensor.type().bytes());
}

}  // namespace quadlane
