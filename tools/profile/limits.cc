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

Limits::Bound Limits::bound(double measured_ms) const {
  constexpr double kRefuted = 1.5, kExplained = 0.4;
  Bound largest{"overhead", 0};
  for (const Bound& one : {Bound{"dots", dots}, Bound{"instructions", instructions}, Bound{"L1", l1}, Bound{"L2", l2},
                           Bound{"L3", l3}, Bound{"memory", memory}})
    if (one.ms > largest.ms && one.ms <= kRefuted * measured_ms) largest = one;
  if (largest.ms < kExplained * measured_ms) largest.name = "overhead";
  return largest;
}

Limits limits_of(const run::StepInfo& info, const std::optional<Mix>& hot_loop, const Machine& m, size_t plan_bytes,
                 int cores) {
  Limits t;
  const double share = 1.0 / cores;
  const double gmac = std::max(info.gmac_lanes, info.gmac_executed), peak = m.peak(info.int8);
  if (peak > 0) t.dots = 1e3 * gmac / peak * share;
  const double read = static_cast<double>(info.bytes_read), written = static_cast<double>(info.bytes_written);
  const double vector_bytes = 4 * vector_lanes(m.isa);
  auto ms = [&](double amount, double per_ns) { return per_ns > 0 ? 1e-6 * amount / per_ns * share : 0; };
  if (hot_loop && hot_loop->dots > 0 && gmac > 0) {
    const double rounds = gmac * 1e9 / m.macs_per_dot(info.int8) / hot_loop->dots;
    t.l1 = std::max(ms(rounds * hot_loop->loads, m.rates.loads), ms(rounds * hot_loop->stores, m.rates.stores));
  } else {
    t.l1 = std::max(ms(read / vector_bytes, m.rates.loads), ms(written / vector_bytes, m.rates.stores));
  }
  if (hot_loop && hot_loop->stores > 0 && gmac == 0) {
    const Pressure p = pressure(*hot_loop, m.rates, m.peak(info.int8) / m.macs_per_dot(info.int8));
    const double cycles = std::max({p.dots, p.vector, p.front_end});
    t.instructions = ms(written / vector_bytes / hot_loop->stores * cycles, m.rates.clock);
  }
  const double once = read + written, filled = info.bytes_filled ? static_cast<double>(info.bytes_filled) : once;
  if (once > m.cpu.l1d_bytes) t.l2 = ms(filled, m.copy.l2);
  if (once > m.cpu.l2_bytes) t.l3 = ms(once, m.copy.l3);
  // Runs go round in a circle, and others share the last cache: where a run fills more than half of it, little is left
  // of one for the next.
  if (once > m.cpu.l2_bytes && 2.0 * static_cast<double>(plan_bytes) > m.cpu.l3_bytes)
    t.memory = ms(once, m.copy.memory);
  return t;
}

}  // namespace quadlane::tools
