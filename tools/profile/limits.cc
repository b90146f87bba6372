#include "tools/profile/limits.h"

#include <algorithm>

#include "jit/peak.h"

namespace quadlane::tools {

int Machine::macs_per_dot(bool int8) const { return int8 ? int8_macs_per_dot(isa) : vector_lanes(isa); }

Result<Machine> measure_machine(Isa isa) {
  Machine machine;
  machine.isa = isa;
  machine.cpu = detect_cpu();
  machine.copy = measure::measure_copy(machine.cpu);
  if (isa == Isa::reference) return machine;
  QL_TRY(machine.peak_int8, measure_peak_gmacs(isa, DType::u8));
  QL_TRY(machine.peak_f32, measure_peak_gmacs(isa, DType::f32));
  QL_TRY(machine.rates, measure_rates(isa));
  return machine;
}

namespace {
constexpr double kTooSlow = 1.5, kWaits = 0.25;
// What takes longer than the step did was counted wrong.
constexpr double kRefuted = 1.2;
// What an estimate must explain of the time to be the bound. Waiting is measured; the others are times of a unit at its
// best, and instructions and fetches from L2 find room beside other work. Settled with bench/bounds.
constexpr double kWaited = 0.3, kExplained = 0.45, kExplainedBeside = 0.65;
}  // namespace

Limits::Bound Limits::bound(double measured_ms) const {
  Bound bound{"mixed", 0}, largest{"mixed", 0};
  auto look_at = [&](const char* name, double ms, double least) {
    if (ms > kRefuted * measured_ms) return;
    if (ms > largest.ms) largest.ms = ms;
    if (ms > bound.ms && ms >= least * measured_ms) bound = {name, ms};
  };
  look_at("dots", dots, kExplained);
  if (std::max(instructions, l1) <= kRefuted * measured_ms) {  // they count the same loops
    look_at("instructions", instructions, kExplainedBeside);
    look_at("L1", l1, kExplained);
  }
  look_at("L2", l2, kExplainedBeside);
  look_at("L3", l3, kWaited);
  look_at("memory", memory, kWaited);
  return bound.ms > 0 ? bound : largest;
}

Limits limits_of(const run::StepInfo& info, const std::optional<HotLoop>& loops, const Machine& m, const Taken& taken,
                 size_t plan_bytes, int cores) {
  Limits t;
  const double share = 1.0 / cores;
  const double gmac = info.gmac_lanes > 0 ? info.gmac_lanes : info.gmac_executed, peak = m.peak(info.int8);
  if (peak > 0) t.dots = 1e3 * gmac / peak * share;
  const double read = static_cast<double>(info.bytes_read), written = static_cast<double>(info.bytes_written);
  const double vector_bytes = 4 * vector_lanes(m.isa), macs_per_dot = m.macs_per_dot(info.int8);
  auto ms = [&](double amount, double per_ns) { return per_ns > 0 ? 1e-6 * amount / per_ns * share : 0; };
  auto add = [&](const Mix& mix, double rounds) {
    t.instructions += ms(rounds * pressure(mix, m.rates, peak / macs_per_dot).instructions(), m.rates.clock);
    t.l1 += std::max(ms(rounds * mix.loads, m.rates.loads), ms(rounds * mix.stores, m.rates.stores));
  };
  auto add_by_bytes = [&](const Mix& mix) {
    if (mix.stored_bytes > 0)
      add(mix, written / mix.stored_bytes);
    else if (mix.loaded_bytes > 0)
      add(mix, read / mix.loaded_bytes);
  };
  if (loops && gmac > 0 && loops->mix.dots > 0) {
    add(loops->mix, gmac * 1e9 / macs_per_dot / loops->mix.dots);
    add_by_bytes(loops->around);
  } else {
    if (loops && gmac == 0) add_by_bytes(loops->mix);
    t.l1 = std::max(ms(read / vector_bytes, m.rates.loads), ms(written / vector_bytes, m.rates.stores));
  }
  const double once = read + written, filled = info.bytes_filled ? static_cast<double>(info.bytes_filled) : once;
  if (once > m.cpu.l1d_bytes) t.l2 = ms(filled, m.copy.l2);
  const double from_memory = ms(once, m.copy.memory);
  const bool beyond_l3 = 2.0 * static_cast<double>(plan_bytes) > m.cpu.l3_bytes && from_memory <= kTooSlow * taken.ms;
  const double streaming = beyond_l3 ? from_memory : ms(once, m.copy.l3);
  const bool waits = taken.waiting_ms >= kWaits * taken.ms && streaming <= kTooSlow * taken.ms;
  (beyond_l3 ? t.memory : t.l3) = waits ? std::max(taken.waiting_ms, std::min(streaming, taken.ms)) : taken.waiting_ms;
  return t;
}

}  // namespace quadlane::tools
