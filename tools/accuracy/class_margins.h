// How near classes are to changing. One answer says only whether its class changed, which of 96 answers is too coarse
// to tell a network that changes one in a hundred from one that changes four; by how much its score is ahead, and how
// far scores move, says more.
#pragma once

#include <vector>

#include "engine/base/tensor.h"

namespace quadlane::tools {

class ClassMargins {
 public:
  // The scores of [N, ...], a row an answer: N classes of `wanted`, and how far `got` is off. Of one number a row
  // `threshold` tells two classes. Where it is 0.5 elements are probabilities, and their logarithms compared. Integers
  // say nothing, nor does an answer of `wanted` that is not finite; one of `got` is off by more than any margin.
  void add(const Tensor& wanted, const Tensor& got, float threshold);
  ClassMargins& operator+=(const ClassMargins&);

  // The share of answers that change where errors are like these. An answer changes to a rival class where the error of
  // the difference of their scores has the sign that brings the rival ahead, as one in two has, and is larger than the
  // margin. For every margin the errors of all answers with similar margins are tried, the quarter that is nearest:
  // scores that are far apart are large, and off by more.
  double expected_changes() const;

 private:
  struct Rival {
    double margin, error;  // of the difference of two scores
    size_t answer;
  };
  std::vector<Rival> rivals_;  // the few strongest of each answer
  size_t answers_ = 0;
};

}  // namespace quadlane::tools
