#include "tests/support/determinism.h"

#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "engine/api/plan_model.h"
#include "graph/quant/calibrate.h"
#include "graph/quant/quantize.h"
#include "ops/table.h"
#include "tests/support/random_graph.h"

namespace quadlane::testing {
namespace {

using Bytes = std::vector<std::byte>;

// One way to come by a plan.
struct Way {
  Isa isa;
  bool tuned, ahead;
  std::string text() const {
    return cat(to_string(isa), tuned ? ", tuned" : ", untuned", ahead ? ", ahead of time" : "");
  }
};

// Timing may choose another order of sums for fp32 (KNOWN_ANOMALIES.md).
std::vector<Way> ways(bool int8) {
  std::vector<Way> all = {{Isa::reference, false, false}};
  for (Isa isa : {Isa::avx2, Isa::avx512, Isa::avx512_vnni})
    if (detect_cpu().runs(isa))
      for (bool tuned : int8 ? std::vector<bool>{false, true} : std::vector<bool>{false})
        for (bool ahead : {false, true}) all.push_back({isa, tuned, ahead});
  return all;
}

Result<Model> model_by(const Way& way, Graph graph) {
  ModelOptions options;
  options.isa = way.isa;
  options.tune = way.tuned;
  if (!way.ahead) return Model::from_graph(std::move(graph), options);
  QL_TRY(Bytes file, make_plan_file(std::move(graph), options, {.ahead = true}));
  std::string path = (std::filesystem::temp_directory_path() / "quadlane-same-XXXXXX").string();
  const int descriptor = mkstemp(path.data());
  const bool written = write(descriptor, file.data(), file.size()) == static_cast<ssize_t>(file.size());
  close(descriptor);
  auto model = Model::load_plan(path, options);
  std::filesystem::remove(path);  // what is mapped stays
  if (!written) return make_error(Code::io, "'", path, "' was not written");
  return model;
}

// The outputs, one behind the other.
Result<Bytes> run(run::Stream& stream, const Bytes& input) {
  const run::Plan& plan = stream.plan();
  const View in{&plan.inputs[0].type, input.data()};
  std::vector<Bytes> outputs;
  std::vector<MutView> out;
  for (const run::TensorInfo& info : plan.outputs) outputs.emplace_back(info.type.bytes());
  for (size_t i = 0; i < outputs.size(); ++i) out.push_back({&plan.outputs[i].type, outputs[i].data()});
  QL_CHECK_OK(stream.run({&in, 1}, out));
  Bytes all;
  for (const Bytes& output : outputs) all.insert(all.end(), output.begin(), output.end());
  return all;
}

class Check {
 public:
  Check(const DeterminismCase& network, const DeterminismMatrix& matrix, DeterminismCount& count)
      : network_(network), matrix_(matrix), count_(count) {
    const TensorType& type = network.one.at(network.one.inputs()[0]).type;
    std::mt19937 random(17);
    std::normal_distribution<float> normal(0, 1);
    for (Bytes& image : images_) {
      image.resize(type.bytes());
      for (size_t i = 0; i < image.size(); i += sizeof(float)) {
        const float value = normal(random);
        std::memcpy(image.data() + i, &value, sizeof value);
      }
    }
  }

  std::string run_all() {
    for (const Way& way : ways(network_.int8)) {
      auto one = model_by(way, network_.one), batch = model_by(way, network_.batch);
      if (!one.ok()) return cat(way.text(), ": ", one.error().text());
      if (!batch.ok()) return cat(way.text(), ": ", batch.error().text());
      if (Status status = expect(way, *one); !status.ok()) return status.error().text();
      for (int threads : matrix_.threads)
        for (int streams : matrix_.streams) side_by_side(way, *one, *batch, threads, streams);
      if (!wrong_.empty()) return wrong_;
    }
    return {};
  }

 private:
  // The first way decides what is right: for int8 the scalar reference, for fp32 the first of each instruction set.
  Status expect(const Way& way, const Model& one) {
    std::vector<Bytes>& golden = golden_[network_.int8 ? Isa::reference : way.isa];
    if (!golden.empty()) return {};
    QL_TRY(run::Stream stream, one.open_stream());
    for (const Bytes& image : images_) {
      QL_TRY(Bytes output, run(stream, image));
      golden.push_back(std::move(output));
    }
    return {};
  }

  void side_by_side(const Way& way, const Model& one, const Model& batch, int threads, int streams) {
    const std::vector<Bytes>& golden = golden_[network_.int8 ? Isa::reference : way.isa];
    std::vector<std::thread> all;
    for (int s = 0; s < streams; ++s)
      all.emplace_back(
          [&, s] { one_stream(one, batch, threads, s, golden, cat(way.text(), ", ", threads, " threads")); });
    for (std::thread& thread : all) thread.join();
    count_.combinations += kDeterminismBatch + 1;  // alone, and at each position of a batch
  }

  void one_stream(const Model& one, const Model& batch, int threads, int number, const std::vector<Bytes>& golden,
                  const std::string& how) {
    auto alone = one.open_stream({.threads = threads}), together = batch.open_stream({.threads = threads});
    if (!alone.ok() || !together.ok()) return tell(cat(how, ": a stream does not open"));
    for (int repeat = 0; repeat < matrix_.repeats; ++repeat) {
      const size_t first = static_cast<size_t>(number + repeat) % kDeterminismBatch;
      auto got = run(*alone, images_[first]);
      if (!got.ok() || *got != golden[first]) return tell(cat(how, ": an image alone differs, repeat ", repeat));
      Bytes input;
      for (size_t i = 0; i < kDeterminismBatch; ++i) {
        const Bytes& image = images_[(first + i) % kDeterminismBatch];
        input.insert(input.end(), image.begin(), image.end());
      }
      got = run(*together, input);
      for (size_t i = 0; i < kDeterminismBatch; ++i)
        if (!got.ok() || !holds(*got, i, golden[(first + i) % kDeterminismBatch], one))
          return tell(cat(how, ": an image at position ", i, " of the batch differs, repeat ", repeat));
    }
    std::lock_guard lock(mutex_);
    count_.inferences += 2L * matrix_.repeats;
  }

  // Whether image i of the batch's outputs is the golden one.
  static bool holds(const Bytes& got, size_t i, const Bytes& golden, const Model& one) {
    size_t at = 0, golden_at = 0;
    for (const run::TensorInfo& info : one.outputs()) {
      const size_t bytes = info.type.bytes();
      if (std::memcmp(got.data() + at + i * bytes, golden.data() + golden_at, bytes) != 0) return false;
      at += bytes * kDeterminismBatch, golden_at += bytes;
    }
    return true;
  }

  void tell(std::string what) {
    std::lock_guard lock(mutex_);
    if (wrong_.empty()) wrong_ = cat(network_.name, ", ", what);
  }

  const DeterminismCase& network_;
  const DeterminismMatrix& matrix_;
  DeterminismCount& count_;
  Bytes images_[kDeterminismBatch];
  std::map<Isa, std::vector<Bytes>> golden_;
  std::mutex mutex_;
  std::string wrong_;
};

}  // namespace

DeterminismCase random_case(uint32_t seed, bool resnet, bool int8) {
  auto make = [&](int64_t batch) {
    const RandomGraphOptions options{seed % 2 == 1, 16, batch};
    return resnet ? random_resnet(op_table(), seed, options) : random_dense_unet(op_table(), seed, options);
  };
  auto simple = [](Graph graph) {
    if (!run_passes(graph, op_table(), simplify_passes()).ok()) std::abort();
    return graph;
  };
  DeterminismCase made{cat(resnet ? "resnet " : "dense_unet ", seed, int8 ? " int8" : " f32"), make(1),
                       make(kDeterminismBatch), int8};
  if (!int8) return made;
  const Graph one = simple(make(1));
  Calibrator calibrator(one, reference_evaluator(one, op_table()));
  for (uint32_t i = 0; i < 2; ++i)
    if (!calibrator.add(random_inputs(one, seed + i)).ok()) std::abort();
  made.one = *quantize(one, op_table(), calibrator.profile(), QuantPolicy());
  made.batch = *quantize(simple(make(kDeterminismBatch)), op_table(), calibrator.profile(), QuantPolicy());
  return made;
}

std::string check_determinism(const DeterminismCase& network, const DeterminismMatrix& matrix,
                              DeterminismCount& count) {
  return Check(network, matrix, count).run_all();
}

}  // namespace quadlane::testing
