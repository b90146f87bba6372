// What the quantization tests share.
#pragma once

#include <cmath>
#include <map>

#include "graph/quant/calibrate.h"
#include "graph/quant/quantize.h"
#include "tests/passes/pass_check.h"

namespace quadlane {

inline Graph simplified(Graph g) {
  return after_passes(after_passes(std::move(g), simplify_passes()), quantizable_passes());
}
inline Graph fused_int8(const Graph& qdq) { return after_passes(qdq, fuse_int8_passes()); }

inline Profile profile_of(const Graph& g, int samples, uint32_t seed = 100) {
  Calibrator calibrator(g, reference_evaluator(g, op_table()));
  for (int i = 0; i < samples; ++i) {
    Status s = calibrator.add(random_inputs(g, seed + static_cast<uint32_t>(i)));
    EXPECT_TRUE(s.ok()) << (s.ok() ? "" : s.error().text());
  }
  return calibrator.profile();
}

inline Graph quantized(const Graph& g, const Profile& profile, const QuantPolicy& policy = {}) {
  QuantReport report;
  auto q = quantize(g, op_table(), profile, policy, &report);
  EXPECT_TRUE(q.ok()) << (q.ok() ? "" : q.error().text());
  for (const std::string& note : report.notes) std::cout << "note: " << note << '\n';
  return q.ok() ? *std::move(q) : Graph();
}

// 10 log10 of signal over noise power over all outputs, in dB.
inline double sqnr(const Graph& quantized, const Graph& exact, uint32_t seed) {
  std::vector<Tensor> inputs = random_inputs(exact, seed);
  std::vector<Tensor> a = outputs_of(quantized, inputs), b = outputs_of(exact, inputs);
  double signal = 0, noise = 1e-30;
  for (size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    for (int64_t e = 0; e < b[i].count(); ++e) {
      double va = element_as_double(a[i].view(), e), vb = element_as_double(b[i].view(), e);
      signal += vb * vb;
      noise += (va - vb) * (va - vb);
    }
  return 10 * std::log10(signal / noise);
}

struct LevelAgreement {
  int64_t compared = 0, equal = 0, within_one = 0;
  double share() const { return compared ? static_cast<double>(within_one) / static_cast<double>(compared) : 0; }
};
// All u8 values that two graphs have in common by name.
inline LevelAgreement compare_levels(const Graph& a, const Graph& b, uint32_t seed) {
  std::vector<Tensor> inputs = random_inputs(b, seed);
  std::map<std::string, Tensor> levels;
  EXPECT_TRUE(interpret(a, op_table(), inputs, [&](ValueId v, const Tensor& t) {
                if (t.dtype() == DType::u8) levels[a[v].name] = t;
              }).ok());
  LevelAgreement result;
  auto compare = [&](ValueId v, const Tensor& t) {
    auto other = levels.find(b[v].name);
    if (t.dtype() != DType::u8 || other == levels.end()) return;
    for (int64_t e = 0; e < t.count(); ++e) {
      int difference = std::abs(t.as<uint8_t>()[e] - other->second.as<uint8_t>()[e]);
      ++result.compared;
      result.equal += difference == 0;
      result.within_one += difference <= 1;
    }
  };
  EXPECT_TRUE(interpret(b, op_table(), inputs, compare).ok());
  return result;
}

}  // namespace quadlane
