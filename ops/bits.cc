// BitwiseAnd, BitwiseOr, BitwiseXor, BitwiseNot on integers, BitShift on unsigned ones.
#include "ops/attr.h"
#include "ops/binary.h"
#include "ops/elementwise.h"
#include "ops/unary.h"

namespace quadlane {
namespace {

struct BitAndOp {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
};
struct BitOrOp {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
};
struct BitXorOp {
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a ^ b);
  }
};
struct BitNot {
  template <class T>
  static T apply(T x) {
    return static_cast<T>(~x);
  }
};
// A shift by all bits or more leaves nothing.
template <bool Left>
struct ShiftOp {
  template <class T>
  static T apply(T a, T b) {
    if (b >= std::numeric_limits<T>::digits) return 0;
    return static_cast<T>(Left ? uint64_t{a} << b : uint64_t{a} >> b);
  }
};

template <class Op>
RunFn bits_run(DType dtype) {
  return dispatch_bits(dtype, []<class T>(T) -> RunFn { return binary_run<Op, T>; });
}
template <class Op>
Status eval_bitwise(const OpContext& ctx, std::span<const MutView> out) {
  for_each_run(ctx.inputs, out[0], bits_run<Op>(ctx.type(0).dtype));
  return {};
}
Status eval_not(const OpContext& ctx, std::span<const MutView> out) {
  return dispatch_bits(ctx.type(0).dtype,
                       [&]<class T>(T) { return map_elements<BitNot, T>({}, ctx.inputs[0], out[0]); });
}

Result<bool> shifts_left(const OpContext& ctx) {
  QL_TRY(std::string direction, string_attr(ctx.attrs(), "direction", ""));
  if (direction != "LEFT" && direction != "RIGHT")
    return invalid_model("attribute 'direction' is '", direction, "', expected LEFT or RIGHT");
  return direction == "LEFT";
}
Result<std::vector<TensorType>> infer_shift(const OpContext& ctx) {
  QL_TRY([[maybe_unused]] bool left, shifts_left(ctx));
  if (is_in(ctx.type(0).dtype, Types::signed_numbers))
    return unsupported("input 0 is ", to_string(ctx.type(0)), ", expected an unsigned integer element type");
  return infer_broadcast<Types::integers>(ctx);
}
Status eval_shift(const OpContext& ctx, std::span<const MutView> out) {
  QL_TRY(bool left, shifts_left(ctx));
  DType dtype = ctx.type(0).dtype;
  for_each_run(ctx.inputs, out[0], left ? bits_run<ShiftOp<true>>(dtype) : bits_run<ShiftOp<false>>(dtype));
  return {};
}

}  // namespace

void append_bit_ops(std::vector<OpDef>& defs) {
  auto infer = infer_broadcast<Types::integers>;
  defs.insert(defs.end(), {
                              {"BitwiseAnd", 2, 2, 1, "", infer, eval_bitwise<BitAndOp>},
                              {"BitwiseOr", 2, 2, 1, "", infer, eval_bitwise<BitOrOp>},
                              {"BitwiseXor", 2, 2, 1, "", infer, eval_bitwise<BitXorOp>},
                              {"BitwiseNot", 1, 1, 1, "", infer_same<Types::integers>, eval_not},
                              {"BitShift", 2, 2, 1, "direction", infer_shift, eval_shift},
                          });
}

}  // namespace quadlane
