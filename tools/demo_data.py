#!/usr/bin/python3
"""Makes the demo's data in a folder, unless they are there already:

  exam/            one cine exam with its truth (phantom.py --exam)
  patients/        the accuracy set: several patients, few slices and phases each, one after the other along time in
                   one file pair; patients.json says how many phases each has and what its voxels measure
  calibration/     pictures to calibrate by, of other patients (phantom.py --set)
"""
import argparse
import concurrent.futures
import hashlib
import json
import pathlib
import shutil
import sys

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "showcase"))
import nifti  # noqa: E402
import phantom  # noqa: E402

EXAM_SEED, FIRST_PATIENT_SEED, CALIBRATION_SEED = 1, 1001, 7


def make_patient(job):
    seed, slices, phases = job
    patient, spacing, images, labels = phantom.make_exam(seed, slices, phases, phantom.SIZE)
    return float(patient.pixel), float(spacing), images, labels


def make_patients(folder, pool, patients, slices, phases):
    jobs = [(FIRST_PATIENT_SEED + i, slices, phases) for i in range(patients)]
    made = list(pool.map(make_patient, jobs))
    folder.mkdir(parents=True)
    steps = (1.0, 1.0, 8.0, 1.0)  # of nobody: patients.json has each one's own
    nifti.write(folder / "cine.nii.gz", np.concatenate([m[2] for m in made]), steps)
    nifti.write(folder / "truth.nii.gz", np.concatenate([m[3] for m in made]), steps)
    rows = [{"seed": job[0], "phases": phases, "pixel_mm": m[0], "slice_spacing_mm": m[1]} for job, m in zip(jobs, made)]
    (folder / "patients.json").write_text(json.dumps(rows, indent=1) + "\n")


def fingerprint(args):
    digest = hashlib.sha256(repr(sorted((k, v) for k, v in vars(args).items() if k != "folder")).encode())
    for path in [HERE / "demo_data.py", *sorted((HERE / "showcase").glob("*.py"))]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--exam", type=int, nargs=2, metavar=("SLICES", "PHASES"), required=True)
    parser.add_argument("--patients", type=int, required=True)
    parser.add_argument("--per-patient", type=int, nargs=2, metavar=("SLICES", "PHASES"), required=True)
    parser.add_argument("--calibration", type=int, metavar="PICTURES", required=True)
    args = parser.parse_args()

    stamp, wanted = args.folder / "complete", fingerprint(args)
    if stamp.exists() and stamp.read_text() == wanted:
        print("there already")
        return
    shutil.rmtree(args.folder, ignore_errors=True)
    for part in ("exam", "calibration"):
        (args.folder / part).mkdir(parents=True)
    with concurrent.futures.ProcessPoolExecutor() as pool:
        exam = pool.submit(phantom.write_exam, args.folder / "exam", EXAM_SEED, *args.exam, phantom.SIZE)
        calibration = pool.submit(phantom.write_set, args.folder / "calibration", CALIBRATION_SEED, args.calibration)
        make_patients(args.folder / "patients", pool, args.patients, *args.per_patient)
        exam.result()
        calibration.result()
    stamp.write_text(wanted)
    print(f"made {args.exam[0]}x{args.exam[1]} exam slices, {args.patients} patients, {args.calibration} pictures")


if __name__ == "__main__":
    main()
