# Figures in brackets: § of protection-and-sequences.md; "assumption" is an engineering choice of that file,
# [R] a standard quoted from memory, P7 a public factory test.
@fire
Feature: Thermal runaway of one cell
  A cell that goes into runaway must be noticed by its gas before there is smoke, the battery must be
  switched off and blown through, and the fire must be fought with the container closed.

  @catches-ignores-fire-prewarning
  Scenario: A nail through one cell is noticed, isolated and fought
    Given the plant discharges at 0.25 C
    When a nail is driven into cell 17 of pack 5 in cluster 3
    Then within 60 s the gas detector has tripped [§7: 50 ppm for 10 s]
    And within 60 s the fire panel is at gas pre-warning or above [§7]
    And within 61 s the vent fan runs [§7: ventilation on at the gas stage]
    And within 61 s the vent damper is open [§7]
    And within 63 s the PCS is blocked [assumption §4: within 100 ms of the demand, 2 s for the alarm's way]
    And within 63 s the contactors of every cluster are open [assumption §4: 1 s hard limit after the demand]
    And first the gas detector has tripped, then the smoke detector has tripped [§7: gas stage before smoke]
    And within 5 min the smoke detector has tripped [P7: smoke within 30 s of the threshold]
    And within 5 min the fire panel is at level 1 or above [GB 50116 R]
    And within 10 min the fire panel is at level 2 or above [GB 50116 R: second independent detector]
    And within 11 min the suppression agent flows [§7: countdown at most 30 s]
    And by the time the suppression agent flows, the contactors of every cluster are open [§7: DC open before fire fighting]
    And by the time the suppression agent flows, the vent damper is closed [P9: close, then suppress]
    And by the time the suppression agent flows, the HVAC stands [GB 50116 R: HVAC off at level 2]
    And within 11 min the fire panel reports the release feedback [P7: within 10 s of the release]
    And for 10 s the contactors of every cluster stay open

  Scenario: A person at the call point starts the fire fighting, the hold button keeps it back
    Given the plant is powered up
    When the manual call point is pressed
    Then within 1 s the fire panel is at level 2 or above [GB 50116 R: call point counts as the second detector]
    And within 2 s the HVAC stands [GB 50116 R]
    When the suppression hold button is pressed
    Then for 35 s no suppression agent flows [R §7: hold during the countdown of at most 30 s]
    When the suppression hold button is released
    Then within 45 s the suppression agent flows [R §7: countdown resumes, at most 30 s, then release within 10 s]

  @long @limit-3h
  Scenario: What propagation does next, without barriers between the cells
    Given the plant is powered up
    When a nail is driven into cell 17 of pack 5 in cluster 3
    Then within 10 s cell 17 of pack 5 in cluster 3 is in thermal runaway
    And between 5 and 22 min later at least 2 cells are in thermal runaway [cell-and-thermal: neighbours after 11 to 22 min without a barrier]
    And for 30 min the contactors of every cluster stay open
