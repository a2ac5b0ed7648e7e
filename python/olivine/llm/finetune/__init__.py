"""Fine-tuning: data, losses, and the run that ties them together.

`run.fine_tune` is what `olivine finetune` calls; `data` reads JSON lines into token ids with a
mask of what is learned; `losses` holds cross entropy over masked tokens, DPO and ORPO.
"""
