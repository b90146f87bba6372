#include "loader/refused.h"

#include <algorithm>
#include <vector>

namespace quadlane {
namespace {

struct Group {
  std::string_view reason;
  std::vector<std::string_view> ops;
};

std::vector<RefusedOp> listed() {
  const Group groups[] = {
      {"draws random numbers: a model must give the same result each time",
       {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"}},
      {"belongs to training, only inference is supported",
       {"NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss", "ai.onnx.preview.training.*"}},
      {"strings are not supported",
       {"RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit", "TfIdfVectorizer"}},
      {"optional values are not supported", {"Optional", "OptionalGetElement", "OptionalHasElement"}},
      {"sequences are supported where their lengths are known only, mapping a function over one is not",
       {"SequenceMap"}},
      {"belongs to audio, Quadlane is for images",
       {"BlackmanWindow", "DFT", "HammingWindow", "HannWindow", "MelWeightMatrix", "STFT"}},
      {"belongs to language models", {"RotaryEmbedding", "TensorScatter"}},
      {"a model gets pixels: decode files before", {"ImageDecoder"}},
      {"classical machine learning is not supported", {"ai.onnx.ml.*"}},
  };
  std::vector<RefusedOp> ops;
  for (const Group& group : groups)
    for (std::string_view op : group.ops) ops.push_back({op, group.reason});
  std::sort(ops.begin(), ops.end(), [](const RefusedOp& a, const RefusedOp& b) { return a.op < b.op; });
  return ops;
}

bool names(std::string_view entry, std::string_view op) {
  if (!entry.ends_with(".*")) return entry == op;
  return op.starts_with(entry.substr(0, entry.size() - 1));
}

}  // namespace

std::span<const RefusedOp> refused_ops() {
  static const std::vector<RefusedOp> ops = listed();
  return ops;
}

std::string_view refusal_of(std::string_view op) {
  for (const RefusedOp& refused : refused_ops())
    if (names(refused.op, op)) return refused.reason;
  return {};
}

}  // namespace quadlane
