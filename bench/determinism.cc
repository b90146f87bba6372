// Whether networks give the same bytes for threads 1 to 8 x streams 1 to 8 x positions in a batch x tuned or not x code
// generated here, stored ahead of time or none: bench/determinism [REPEATS]. Ends with 1 at the first difference.
#include "tests/support/determinism.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <numeric>

int main(int argc, char** argv) {
  using namespace quadlane::testing;
  DeterminismMatrix matrix;
  matrix.threads.resize(8);
  std::iota(matrix.threads.begin(), matrix.threads.end(), 1);
  matrix.streams = matrix.threads;
  matrix.repeats = argc > 1 ? std::atoi(argv[1]) : 100;
  if (matrix.repeats < 1) return std::fputs("determinism: expected a number of repeats\n", stderr), 2;
  for (const DeterminismCase& network :
       {random_case(1, false, true), random_case(2, true, true), random_case(3, false, false)}) {
    DeterminismCount count;
    const auto start = std::chrono::steady_clock::now();
    const std::string wrong = check_determinism(network, matrix, count);
    if (!wrong.empty()) return std::fprintf(stderr, "determinism: %s\n", wrong.c_str()), 1;
    std::printf("%s: the same bytes in %ld combinations, %d repeats each, %ld inferences, %.0f s\n",
                network.name.c_str(), count.combinations, matrix.repeats, count.inferences,
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    std::fflush(stdout);
  }
}
