#include "engine/run/stored_steps.h"

#include "engine/run/channels_step.h"
#include "engine/run/conv_step.h"
#include "engine/run/dense/copy.h"
#include "engine/run/dense/deform_rows.h"
#include "engine/run/dense/dynamic_quantize.h"
#include "engine/run/dense/elementwise.h"
#include "engine/run/dense/gather.h"
#include "engine/run/dense/gemm_step.h"
#include "engine/run/dense/grid_sample.h"
#include "engine/run/dense/index_pool.h"
#include "engine/run/dense/lines.h"
#include "engine/run/dense/lut.h"
#include "engine/run/dense/pick_elements.h"
#include "engine/run/dense/quantize.h"
#include "engine/run/dense/recurrent.h"
#include "engine/run/dense/resize.h"
#include "engine/run/dense/roi_align.h"
#include "engine/run/dense/scatter.h"
#include "engine/run/dense_steps.h"
#include "engine/run/elementwise_step.h"
#include "engine/run/move_step.h"
#include "engine/run/normalize_step.h"
#include "engine/run/oconv_step.h"

namespace quadlane::run {
namespace {

// A step type and the name it has in files, which never changes.
template <class T>
struct Stored {
  static_assert(fields_are_complete<T>(sizeof(Step)), "kFields forgets a member or has another order");
  const char* name;
  using Type = T;
};

constexpr auto kStored = std::tuple{
    Stored<ConvStep>{"conv"},
    Stored<OconvStep>{"conv, outputs in lanes"},
    Stored<QuantizeStep>{"quantize"},
    Stored<RangeStep>{"range"},
    Stored<DynamicScaleStep>{"dynamic scale"},
    Stored<DequantizeStep>{"dequantize"},
    Stored<DequantizedMeanStep>{"dequantized mean"},
    Stored<PoolStep>{"pool"},
    Stored<GlobalPoolStep>{"global pool"},
    Stored<ResampleStep>{"resample"},
    Stored<PhaseSplitStep>{"phase split"},
    Stored<PhaseInterleaveStep>{"phase interleave"},
    Stored<MoveStep>{"move"},
    Stored<ChannelsLastStep>{"channels last"},
    Stored<ChannelsStep>{"channels"},
    Stored<UnpackIndicesStep>{"unpack indices"},
    Stored<CopyStep>{"copy"},
    Stored<PackStep>{"pack"},
    Stored<UnpackStep>{"unpack"},
    Stored<ElementwiseStep>{"elementwise"},
    Stored<NormalizeStep>{"normalize"},
    Stored<GlobalMaxStep>{"global max"},
    Stored<CopiesStep>{"dense copies"},
    Stored<GatherStep>{"dense gather"},
    Stored<GatherSlabsStep>{"dense gather by coordinates"},
    Stored<ScatterSlabsStep>{"dense scatter by coordinates"},
    Stored<PickElementsStep>{"dense elements"},
    Stored<IndexPoolStep>{"dense pool with indices"},
    Stored<LutStep>{"dense table"},
    Stored<AxisResizeStep>{"dense resize"},
    Stored<DeformRowsStep>{"dense deformed taps"},
    Stored<RoiAlignStep>{"dense region align"},
    Stored<GridSampleStep>{"dense grid sample"},
    Stored<SoftmaxStep>{"dense softmax"},
    Stored<ReduceStep>{"dense reduce"},
    Stored<LayerNormStep>{"dense layer norm"},
    Stored<ArgStep>{"dense arg"},
    Stored<TopKStep>{"dense top k"},
    Stored<CumSumStep>{"dense cumulative sum"},
    Stored<BroadcastStep>{"dense elementwise"},
    Stored<GridStep>{"dense quantize"},
    Stored<DenseRangeStep>{"dense range"},
    Stored<DenseDynamicQuantizeStep>{"dense dynamic quantize"},
    Stored<RecurrentStep>{"dense recurrence"},
    Stored<GemmF32Step>{"product f32"},
    Stored<GemmIntegerStep>{"product integer"},
    Stored<PackBStep>{"pack b"},
    Stored<PackAStep>{"pack a"},
};

template <class T>
bool write_as(FieldWriter& w, const Step& step, const char* name) {
  const T* known = dynamic_cast<const T*>(&step);
  if (!known) return false;
  w.write(std::string(name));
  w.write(layout_id<T>());
  w.write(*known);
  return true;
}

template <class T>
bool read_as(FieldReader& r, const std::string& type, const char* name, Checker& checker, std::unique_ptr<Step>& step) {
  if (type != name) return false;
  const auto layout = r.get<uint32_t>();
  if (layout != layout_id<T>())
    r.fail(unsupported("steps of type '", type, "' have form ", layout, " in the file, this engine reads form ",
                       layout_id<T>()));
  auto read = std::make_unique<T>();
  r.read(*read);
  if (r.ok()) read->check(checker);
  step = std::move(read);
  return true;
}

}  // namespace

Status write_step(FieldWriter& w, const Step& step, const StepCodec* others) {
  w.write(step.info);
  const bool known = std::apply(
      [&](auto... stored) { return (write_as<typename decltype(stored)::Type>(w, step, stored.name) || ...); },
      kStored);
  if (known || (others && others->write(w, step))) return {};
  return unsupported("step '", step.info.name, "' (", step.info.op, ") cannot be stored in a plan file");
}

Result<std::unique_ptr<const Step>> read_step(FieldReader& r, Checker& checker, const StepCodec* others) {
  const auto info = r.get<StepInfo>();
  const auto type = r.get<std::string>();
  std::unique_ptr<Step> step;
  checker.kernel_numbers(info.kernels);
  if (r.ok()) {
    const bool known = std::apply(
        [&](auto... stored) {
          return (read_as<typename decltype(stored)::Type>(r, type, stored.name, checker, step) || ...);
        },
        kStored);
    if (!known && others) step = others->read(r, type, checker);
    if (!step) r.fail(unsupported("a step of type '", type, "', which this library does not know"));
  }
  if (!r.ok()) return std::move(r).status().context(cat("step '", info.name, "' (", info.op, ")")).error();
  QL_CHECK_OK(Status(checker.status()).context(cat("step '", info.name, "' (", info.op, ")")));
  step->info = info;
  return std::unique_ptr<const Step>(std::move(step));
}

}  // namespace quadlane::run
