// Chooses how a convolution is tiled: by the model's ranking, or by timing the best few candidates on this machine.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "engine/base/cpu.h"
#include "engine/base/geometry.h"
#include "engine/compile/schedule_book.h"
#include "engine/run/conv_step.h"
#include "engine/run/plan.h"

namespace quadlane::compile {

struct OconvProblem;

// Tiles of a band: the pixels a band reads should stay in half of L2 while every block of outputs reads them.
int64_t conv_band_tiles(const CpuInfo&, const ConvExtent&, const ConvSpec&);

// For experiments: each sees the candidates of its family of kernels for a convolution, best first by the model, and
// may leave only some, or put others in their place. A family that is filtered is taken where it can be.
struct ScheduleFilter {
  std::function<void(std::vector<ConvSchedule>&)> flat;
  std::function<void(std::vector<OconvSchedule>&)> lanes;
};

// One tuner serves a compilation: equal problems are timed once, memory is kept from one to the next.
class ConvTuner {
 public:
  // Without `timing` the model's first candidate is taken.
  ConvTuner(const CpuInfo& cpu, bool timing) : cpu_(cpu), timing_(timing) {}
  void set_filter(ScheduleFilter filter) { filter_ = std::move(filter); }
  // Where choices by timing are looked up and kept, instead of for this compilation alone.
  void set_book(std::shared_ptr<ScheduleBook> book) { book_ = std::move(book); }

  const ScheduleFilter& filter() const { return filter_; }

  // The schedule for a convolution from planes of `src` to planes of `dst`.
  Result<ConvSchedule> choose(const ConvSpec&, const ConvExtent&, const Geometry& src, const Geometry& dst);
  // With outputs in the lanes, where that is the only family: strides and transposed convolutions.
  Result<OconvSchedule> choose(const OconvSpec&, const OconvExtent&, const OconvProblem&, const Geometry& src,
                               const Geometry& dst);
  // The same convolution with outputs in the lanes: the schedule where that is faster than `chosen`, else nothing.
  Result<std::optional<OconvSchedule>> choose_lanes(const ConvSpec&, const ConvExtent&, const ConvSchedule& chosen,
                                                    const OconvSpec&, const OconvExtent&, const OconvProblem&,
                                                    const Geometry& src, const Geometry& dst);

 private:
  struct Trial;
  Result<Trial> prepare(const ConvSpec&, const ConvSchedule&, const ConvExtent&, const Geometry& src,
                        const Geometry& dst);
  Result<Trial> prepare(const OconvSpec&, const OconvSchedule&, const OconvExtent&, const OconvProblem&,
                        const Geometry& src, const Geometry& dst);
  // Seconds for one image of each, the median of several rounds.
  std::vector<double> time(const std::vector<Trial>&);
  Status reserve(run::AlignedBytes&, size_t bytes);
  Status reserve_weights(size_t bytes);

  const CpuInfo& cpu_;
  const bool timing_;
  ScheduleFilter filter_;
  run::AlignedBytes arena_, weights_;
  size_t trial_weights_ = 0;  // bytes of the largest of the trials that are prepared
  std::shared_ptr<ScheduleBook> book_ = std::make_shared<ScheduleBook>();
};

}  // namespace quadlane::compile
