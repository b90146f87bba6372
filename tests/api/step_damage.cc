#include "tests/api/step_damage.h"

#include <setjmp.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <list>
#include <map>
#include <random>

#include "engine/run/dense/gemm_step.h"
#include "engine/run/dense/recurrent.h"
#include "tests/support/guarded_bytes.h"

namespace quadlane::testing {
namespace {

std::vector<KernelFn> entries_of(const run::Plan& plan) {
  std::vector<KernelFn> entries;
  for (const run::Kernel& kernel : plan.kernels) entries.push_back(kernel.entry);
  return entries;
}

// Runs something that may touch forbidden memory, or never end. The handlers leave it as it is.
class Attempt {
 public:
  Attempt() {
    struct sigaction action {};
    action.sa_handler = leave;
    action.sa_flags = SA_NODEFER;
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &action, &before_[i]);
  }
  ~Attempt() {
    for (size_t i = 0; i < std::size(kSignals); ++i) sigaction(kSignals[i], &before_[i], nullptr);
  }
  template <class Body>
  std::string operator()(const Body& body) {
    constexpr unsigned kSeconds = 10;
    const int signal = sigsetjmp(place_, 1);
    if (signal == 0) {
      alarm(kSeconds);
      body();
    }
    alarm(0);
    return signal == 0 ? "" : signal == SIGALRM ? "does not end" : "leaves its memory";
  }

 private:
  static void leave(int signal) { siglongjmp(place_, signal); }
  static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
  static inline sigjmp_buf place_;
  struct sigaction before_[std::size(kSignals)];
};

// Stands for the code, which is trusted. Of products it is known what they touch at least: a row of A, a panel of B,
// and a row of sums.
void call_nothing(void* is_product, KernelFn, const void* args) {
  if (!*static_cast<bool*>(is_product)) return;
  const auto& product = *static_cast<const GemmArgs*>(args);
  static volatile std::byte seen;
  for (int64_t i = 0; i < product.steps * 4; ++i) seen = product.a[i];
  for (int64_t i = 0; i < product.panel_bytes; ++i) seen = product.b[i];
  (void)seen;
  std::memset(product.c, 0, static_cast<size_t>(gemm_columns(Isa::avx2)) * 4);
}

// What memory holds before a step: blocks of equal bytes, which are small or extreme as numbers of any type.
void fill(const GuardedBytes& bytes, std::minstd_rand& rng) {
  constexpr size_t kBlock = 64;
  constexpr int kBytes[] = {0, 0, 0, 0xff, 0x7f, 0x80, 0x3f};
  const unsigned only = rng() % (2 * std::size(kBytes));
  for (size_t at = 0; at < bytes.size(); at += kBlock) {
    const unsigned chosen = only < std::size(kBytes) ? only : rng() % std::size(kBytes);
    std::memset(bytes.data() + at, kBytes[chosen], std::min(kBlock, bytes.size() - at));
  }
}

// So many that what ends with them begins aligned.
size_t aligned(size_t bytes, size_t alignment = 64) { return (bytes + alignment - 1) / alignment * alignment; }

}  // namespace

// The memory of a run.
struct DamagedSteps::Grounds {
  Grounds(const run::Plan& of, GuardedBytes::Close close)
      : close(close), arena(aligned(of.arena_bytes), close), weights(aligned(of.weights.size()), close) {
    plan.inputs = of.inputs, plan.outputs = of.outputs, plan.kernels = of.kernels;
    plan.arena_bytes = arena.size();
    plan.weights = run::AlignedBytes::mapped(nullptr, weights.data(), weights.size());
    for (const auto& info : of.inputs) inputs.emplace_back(info.type.bytes(), close);
    for (const auto& info : of.outputs) outputs.emplace_back(info.type.bytes(), close);
    size_t i = 0;
    for (const GuardedBytes& bytes : inputs) places.push_back({bytes, plan.inputs[i++].type});
    i = 0;
    for (const GuardedBytes& bytes : outputs) places.push_back({bytes, plan.outputs[i++].type});
  }
  // A tensor of the caller's, of which the plan may be told that it is smaller.
  struct Place {
    const GuardedBytes& bytes;
    TensorType& type;
    const TensorType whole = type;
  };
  // Tells the plan of no more memory than `accepts` wants.
  template <class Accepts>
  void shrink(const Accepts& accepts) {
    auto least = [&](size_t most, const auto& set) {
      size_t low = 0;
      while (low < most) {
        const size_t middle = low == 0 ? std::min<size_t>(1, most) - 1 : (low + most) / 2;
        set(middle);
        accepts() ? most = middle : low = middle + 1;
      }
      set(most);
    };
    least(arena.size(), [&](size_t bytes) { plan.arena_bytes = bytes; });
    for (Place& p : places)
      least(p.bytes.size(), [&](size_t bytes) { p.type = {DType::u8, {static_cast<int64_t>(bytes)}}; });
  }
  void widen() {
    plan.arena_bytes = arena.size();
    for (Place& p : places) p.type = p.whole;
  }
  // Where memory begins that shall end with the plan's share of it.
  std::byte* begin(const GuardedBytes& bytes, size_t share, size_t alignment) const {
    return close == GuardedBytes::Close::behind
               ? bytes.data() + bytes.size() - std::min(aligned(share, alignment), bytes.size())
               : bytes.data();
  }
  std::byte* arena_begin() {
    in.clear(), out.clear();
    for (const Place& p : places) {
      std::byte* at = begin(p.bytes, p.type.bytes(), 8);
      in.size() < inputs.size() ? in.push_back(at) : out.push_back(at);
    }
    return begin(arena, plan.arena_bytes, 64);
  }
  void prepare(std::minstd_rand& rng) {
    fill(arena, rng);
    if (rng() % 16) return;
    for (const GuardedBytes& bytes : inputs) {  // calls of the system take their time
      bytes.allow(PROT_READ | PROT_WRITE);
      fill(bytes, rng);
      bytes.allow(PROT_READ);
    }
  }
  run::Plan plan;
  GuardedBytes::Close close;
  GuardedBytes arena, weights;
  std::list<GuardedBytes> inputs, outputs;
  std::vector<Place> places;  // inputs, then outputs
  std::vector<const void*> in;
  std::vector<void*> out;
};

std::vector<StoredStep> stored_steps(const run::Plan& plan, const run::StepCodec& codec) {
  const std::vector<KernelFn> entries = entries_of(plan);
  std::map<KernelFn, uint32_t> numbers;
  for (size_t i = 0; i < entries.size(); ++i) numbers.emplace(entries[i], static_cast<uint32_t>(i));
  FieldWriter no_texts;
  no_texts.write(run::StepInfo{});
  std::vector<StoredStep> all;
  for (const auto& step : plan.steps) {
    FieldWriter w(numbers);
    if (!run::write_step(w, *step, &codec).ok()) continue;
    FieldReader r(w.bytes(), entries);
    (void)r.get<run::StepInfo>();
    const size_t type_at = w.bytes().size() - r.left();
    StoredStep stored{r.get<std::string>(), step->info.op, no_texts.bytes()};
    stored.members = stored.bytes.size() + (w.bytes().size() - r.left() - type_at);
    stored.bytes.insert(stored.bytes.end(), w.bytes().begin() + static_cast<std::ptrdiff_t>(type_at), w.bytes().end());
    all.push_back(std::move(stored));
  }
  return all;
}

DamagedSteps::DamagedSteps(std::shared_ptr<const run::Plan> plan, const run::StepCodec& codec)
    : plan_(std::move(plan)), codec_(codec), entries_(entries_of(*plan_)) {
  grounds_[0] = std::make_unique<Grounds>(*plan_, GuardedBytes::Close::behind);
  grounds_[1] = std::make_unique<Grounds>(*plan_, GuardedBytes::Close::in_front);
  damage_weights({});
}
DamagedSteps::~DamagedSteps() = default;

void DamagedSteps::damage_weights(std::optional<std::byte> value, bool random) {
  for (const auto& g : grounds_) {
    g->weights.allow(PROT_READ | PROT_WRITE);
    std::memset(g->weights.data(), value ? static_cast<int>(*value) : 0, g->weights.size());
    if (!value) std::copy_n(plan_->weights.data(), plan_->weights.size(), g->weights.data());
    std::mt19937 rng(7);
    for (size_t i = 0; random && i < g->weights.size(); ++i) g->weights.data()[i] = static_cast<std::byte>(rng());
    g->weights.allow(PROT_READ);
  }
}

std::string DamagedSteps::try_step(std::span<const std::byte> bytes) {
  Grounds& g = *grounds_[runs_ % 2];
  static const Isa isa = detect_cpu().best_isa();
  auto read = [&] {
    FieldReader reader(bytes, entries_);
    run::Checker checker(g.plan, isa);
    return run::read_step(reader, checker, &codec_);
  };
  Result<std::unique_ptr<const run::Step>> step = read();
  if (!step.ok()) {
    ++refused;
    return step.error().message.empty() ? "is refused without a reason" : "";
  }
  ++accepted;
  g.shrink([&] { return read().ok(); });
  std::string wrong = run(**step);
  g.widen();
  return wrong;
}

std::string DamagedSteps::run(const run::Step& step) {
  Grounds& g = *grounds_[runs_ % 2];
  const int parts = runs_ / 2 % 2 ? 3 : 1;
  g.prepare(rng_);
  ++runs_;
  run::Refusal refusal;
  bool is_product = dynamic_cast<const run::GemmStep*>(&step) || dynamic_cast<const run::RecurrentStep*>(&step);
  const run::RunContext context{g.arena_begin(), g.plan.weights.data(), g.in,    g.out,
                                call_nothing,    &is_product,           &refusal};
  return Attempt()([&] {
    for (int part = 0; part < parts; ++part) step.run(context, part, parts);
  });
}

}  // namespace quadlane::testing
