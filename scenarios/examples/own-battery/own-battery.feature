# Runs with --rig and --data of this folder; see scenarios/docs/vendor.md.
Feature: A battery that is data files alone
  Eighteen-cell packs with 11-bit identifiers start, take and give power, and are protected.

  Scenario: It starts and runs inside its limits
    Given the plant is in operation
    And every cell voltage stays inside the rated window throughout
    And every cluster current stays inside the rating of its HV box throughout
    When the plant discharges at 0.45 C until the state of charge has fallen by 2 %
    Then within 10 s the PCS delivers no power
    When the plant charges at 0.45 C until the state of charge has risen by 2 %
    Then within 10 s the PCS delivers no power
    And still the contactors of every cluster are closed
    And the state of charge reported by the BAU is within 5 % of the true one

  Scenario: The last cell of the last pack trips it
    Given the plant discharges at 0.4 C
    When the voltage measured at cell 18 of pack 12 in cluster 1 reads 2.4 V
    Then within 3 s the BCU of cluster 1 reports an alarm of level 3
    And within 3 s the contactors of every cluster are open

  Scenario: A pack that falls silent is missed
    Given the plant is in operation
    When the BMU of pack 7 in cluster 1 falls silent
    Then within 7 s the BCU of cluster 1 reports an alarm of level 3
    And within 8 s the contactors of every cluster are open
