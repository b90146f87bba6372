#include "tools/cli/operators.h"

#include <algorithm>
#include <map>

#include "loader/refused.h"
#include "loader/versions.h"
#include "ops/table.h"

namespace quadlane::tools {
namespace {

// What the columns do not say.
const std::map<std::string_view, std::string_view>& notes() {
  static const std::map<std::string_view, std::string_view> table = {
      {"BatchNormalization", "inference only"},
      {"BitCast", "between all types of one size"},
      {"Cast",
       "bf16 and f16 files are widened to f32 while loading; 8-bit and 4-bit floats are refused, as is a cast to 4-bit "
       "integers, as ONNX leaves open what becomes of values out of range"},
      {"Constant", "sparse values and strings are refused"},
      {"ConstantOfShape", "any type of `value`"},
      {"Dropout", "inference only: the identity"},
      {"If", "one branch where the condition is constant; otherwise chosen while running"},
      {"Loop", "unrolled where the trip count is known; otherwise run behind the planned part of the graph"},
      {"Gemm", "f64 and f16 on the reference, in double"},
      {"LogSoftmax", "f64 and f16 on the reference, in double"},
      {"MatMul", "f64, f16 and integers on the reference: in double, modulo 2^n"},
      {"Softmax", "f64 and f16 on the reference, in double"},
      {"MaxPool", "indices: of f32 images and lines, others on the reference"},
      {"Mod", "floats with fmod = 1 only"},
      {"NonMaxSuppression", "its number of rows depends on data: runs behind the planned part of the graph"},
      {"NonZero", "its number of columns depends on data: runs behind the planned part of the graph"},
      {"Compress", "its extent depends on data: runs behind the planned part of the graph"},
      {"Unique", "its extent depends on data: runs behind the planned part of the graph"},
      {"QuantizeLinear", "to u8, s8, u16, s16, and to int4 and uint4 in bytes; blocks on the reference"},
      {"DequantizeLinear", "per tensor, per axis, per block; constants of int4 and uint4 become bytes while loading"},
      {"Resize",
       "nearest takes every type, cubic f32, linear f32 and, rounded as ONNX Runtime does, u8, s8, s32; these and "
       "tf_crop_and_resize on the reference"},
      {"RoiAlign", "mode max as the definition has it: the largest weighted tap"},
  };
  return table;
}

std::string types_text(const std::vector<DType>& types) {
  auto is = [&](auto&& wanted) {
    for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
      auto dtype = static_cast<DType>(i);
      if ((std::find(types.begin(), types.end(), dtype) != types.end()) != wanted(dtype)) return false;
    }
    return true;
  };
  if (is([](DType) { return true; })) return "all";
  if (is([](DType t) { return t != DType::boolean; })) return "numbers";
  if (is([](DType t) { return is_float(t); })) return "floats";
  if (is([](DType t) { return is_integer(t); })) return "integers";
  std::string text;
  for (DType dtype : types) text += cat(text.empty() ? "" : " ", to_string(dtype));
  return text.empty() ? "-" : text;
}

std::string versions_text(const OpHistory& history) {
  std::string text;
  for (const OpChange& change : history.changes) text += cat(text.empty() ? "" : ", ", change.since);
  return text;
}

std::string row(const OpHistory& history) {
  const OpDef* def = op_table().find(history.op);
  auto note = notes().find(history.op);
  std::string types = "", kernels = "", text = note == notes().end() ? "" : std::string(note->second);
  if (def) {
    types = types_text(accepted_types(*def));
    if (has_kernels(*def)) kernels = "yes";
  } else if (text.empty()) {
    text = "rewritten while loading";
  }
  return cat("| ", history.op, " | ", versions_text(history), " | ", types, " | ", kernels, " | ", text, " |\n");
}

}  // namespace

std::string operator_table() {
  std::string text =
      "# Operators\n\n"
      "Made by `quadlane inspect --operators`; a test compares this file with what the code says.\n\n"
      "- **versions**: the opsets that defined or redefined the operator; a model of any opset from the first on "
      "loads.\n"
      "- **types**: element types of the data inputs. *floats* are f32, f64, f16; *numbers* every type but bool.\n"
      "- **kernels**: a plain f32 call, or one behind a convolution, is compiled to more than the scalar reference "
      "that\n"
      "  every operator has. Constants are folded and quantized patterns merged before; `quadlane inspect --plan` "
      "says\n"
      "  for each step of a model which kernel it got, or why it fell back.\n\n"
      "| operator | versions | types | kernels | notes |\n|---|---|---|---|---|\n";
  for (const OpHistory& history : op_histories()) text += row(history);
  text += "\n## Not supported\n\n| operator | reason |\n|---|---|\n";
  for (const RefusedOp& op : refused_ops()) text += cat("| ", op.op, " | ", op.reason, " |\n");
  return text;
}

}  // namespace quadlane::tools
