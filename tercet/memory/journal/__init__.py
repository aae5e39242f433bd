"""The journal: what runs of agents did, the effects they had, and the approvals they wait for."""
